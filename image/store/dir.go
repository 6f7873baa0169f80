package store

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// Dir is an OCI layout in a folder.
type Dir struct {
	Path string
	Root *os.Root

	folder *os.File // holds the lock, if there is one
	mu     sync.Mutex
	files  map[string]*os.File
}

var _ Store = (*Dir)(nil)

// OpenDir opens a layout.
func OpenDir(path string) (*Dir, error) {
	root, err := plainfile.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{Path: path, Root: root, files: map[string]*os.File{}}, nil
}

// Lock locks the layout until it is closed, against all that lock it, or against
// those that change it. Other programs' writers know of no locks.
func (d *Dir) Lock(change bool) error {
	folder, err := d.Root.Open(".")
	if err != nil {
		return err
	}
	d.folder = folder
	if change {
		return lock(folder, scratch.TryLock)
	}
	return lock(folder, scratch.TryShare)
}

// Open implements [Store].
func (d *Dir) Open(name string, size int64) (*File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		var err error
		if f, err = plainfile.OpenIn(d.Root, name); err != nil {
			return nil, err
		}
		d.files[name] = f
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file := &File{name, io.NewSectionReader(f, 0, info.Size())}
	return file.sized(size)
}

// Forget closes a file that has been read.
func (d *Dir) Forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		_ = f.Close() // opened for reading
		delete(d.files, name)
	}
}

// Close implements [io.Closer]. It gives the lock back.
func (d *Dir) Close() error {
	for name := range d.files {
		d.Forget(name)
	}
	var err error
	if d.folder != nil {
		err = d.folder.Close()
	}
	return errors.Join(err, d.Root.Close())
}
