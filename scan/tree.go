package scan

import (
	"sync/atomic"

	"github.com/capwise/capwise/held"
)

// Tree looks for files with capabilities below a directory. It asks every
// regular file for its attributes, and opens none: neither FIFOs nor devices are
// touched, symbolic links are not followed, and file systems that hold no files
// (/proc, /sys, cgroups, ...) are ignored. Memory does not grow with the
// tree: what is open at a time is a directory for each level and worker.
type Tree struct {
	// OneFileSystem leaves out what is mounted below the directory.
	OneFileSystem bool
	// Workers is how many threads walk; 0 for one a processor.
	Workers int
	// Found gets each file with the attribute, held open until Found returns, and
	// Failed what could not be read. Walk calls both itself, one at a time.
	Found  func(*held.File)
	Failed func(path string, err error)
	// Files counts the files that were asked, while the walk goes on.
	Files atomic.Int64
}
