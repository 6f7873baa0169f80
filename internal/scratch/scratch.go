// Package scratch keeps what is temporary: files without a name, and files and
// folders with one that others must tell from the user's own.
//
// What has a name is locked (flock) for as long as its run lives, so that
// [Sweep] knows what a killed run left behind from what another run uses. A
// program that calls [Watch] removes on SIGINT, SIGTERM and SIGHUP what is
// temporary, and undoes what it was about to do.
package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Named is a temporary file or folder. The file, or the folder itself, is open.
type Named struct {
	*os.File
	undo *Undo
}

// temporary is the names that this package gives, and earlier versions gave, in
// the folder for temporary files.
var temporary = regexp.MustCompile(`^capwise-(registry|image|layer|file|compose)-[0-9]+$`)

var left = regexp.MustCompile(`^\..+\.capwise-[0-9]+$`)

// Left reports whether a name is one that [Beside] and [FolderBeside] give.
func Left(name string) bool { return left.MatchString(name) }

// File returns a file that is gone when it is closed: it has no name.
func File() (*os.File, error) {
	if f, err := unnamed(os.TempDir()); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp("", "capwise-file-")
	if err != nil {
		return nil, err
	}
	// Another run may have swept it, which comes to the same.
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Folder makes a folder for a kind of thing in that for temporary files, whose
// leftovers it sweeps first.
func Folder(kind string) (*Named, error) {
	Sweep(os.TempDir(), temporary.MatchString)
	return makeOne(func() (*os.File, error) { return openFolder(os.MkdirTemp("", "capwise-"+kind+"-")) })
}

// Beside makes a file in the folder of path, which is to take its place, and
// sweeps what is left of earlier tries.
func Beside(path string) (*Named, error) {
	parent, pattern := beside(path)
	return makeOne(func() (*os.File, error) { return os.CreateTemp(parent, pattern) })
}

// FolderBeside is [Beside] for a folder.
func FolderBeside(path string) (*Named, error) {
	parent, pattern := beside(path)
	return makeOne(func() (*os.File, error) { return openFolder(os.MkdirTemp(parent, pattern)) })
}

func beside(path string) (parent, pattern string) {
	parent, base := filepath.Split(filepath.Clean(path))
	if parent == "" {
		parent = "."
	}
	const most = 200 // of the 255 bytes that a name may have
	if len(base) > most {
		base = base[:most]
	}
	pattern = "." + base + ".capwise-"
	left := regexp.MustCompile("^" + regexp.QuoteMeta(pattern) + "[0-9]+$")
	Sweep(parent, left.MatchString)
	return parent, pattern
}

// openFolder opens a folder that was made just now. It returns nil where a sweep
// has taken it.
func openFolder(name string, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// makeOne makes one thing and locks it. A sweep of another run can come between
// the two; it then is made again.
func makeOne(create func() (*os.File, error)) (*Named, error) {
	for {
		n, err := makeNamed(create)
		if n != nil || err != nil {
			return n, err
		}
	}
}

// makeNamed makes one thing, if nobody sweeps it. It is there and to be undone at
// once, as far as an interruption can tell.
func makeNamed(create func() (*os.File, error)) (*Named, error) {
	pending.mu.Lock()
	defer pending.mu.Unlock()
	f, err := create()
	if f == nil || err != nil {
		return nil, err
	}
	if !TryLock(f) || !stillNamed(f) {
		return nil, f.Close() // of no use to anybody
	}
	return &Named{f, onAbandon(func() { removeAll(f.Name()) })}, nil
}

// removeAll removes a folder into which others of the process may just be writing: a
// file that comes between leaves it full. Once it is gone, nothing comes any more.
func removeAll(name string) {
	for range 100 {
		if os.RemoveAll(name) == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stillNamed reports whether the file's name leads to it.
func stillNamed(f *os.File) bool {
	is, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(is, named)
}

// Remove removes it, with all that is in it. After [Named.MoveTo] it does nothing.
func (n *Named) Remove() error {
	if n.undo == nil {
		return nil
	}
	undo := n.undo
	n.undo = nil
	return errors.Join(Commit(func() error { return os.RemoveAll(n.Name()) }, undo), n.Close())
}

// MoveTo gives it the name path, and closes it. Whoever interrupts the program
// finds it moved, and the others not undone, or all undone.
func (n *Named) MoveTo(path string, others ...*Undo) error {
	return n.MoveBy(func(name string) error { return os.Rename(name, path) }, others...)
}

// MoveBy is [Named.MoveTo] with a way of moving it: move gets the name that it has,
// and leaves nothing there if it succeeds.
func (n *Named) MoveBy(move func(name string) error, others ...*Undo) error {
	if err := Commit(func() error { return move(n.Name()) }, append(others, n.undo)...); err != nil {
		return err
	}
	n.undo = nil
	return n.Close()
}
