package store

import (
	"io"

	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/internal/plainfile"
)

// IsArchive reports whether a file is a tar archive, compressed or not, by its first
// block.
func IsArchive(name string) bool {
	f, err := plainfile.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // opened for reading
	kind, err := compression.Detect(f)
	if err != nil {
		return false
	}
	r, done, err := kind.Stream(f)
	if err != nil {
		return false
	}
	defer done()
	const at = 257 // of "ustar" in the header, POSIX.1-1988
	block := make([]byte, 512)
	_, err = io.ReadFull(r, block)
	return err == nil && string(block[at:at+5]) == "ustar"
}
