package plainfile

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

const (
	nonblock = syscall.O_NONBLOCK | syscall.O_NOCTTY
	// oPath is O_PATH of open(2): it names a file, and does nothing to it.
	oPath = 0o10000000
)

// Open opens a regular file. Symbolic links are followed.
func Open(name string) (*os.File, error) {
	named, err := os.OpenFile(name, oPath, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = named.Close() }() // nothing was done with it
	before, err := named.Stat()
	if err != nil {
		return nil, err
	}
	if err := wanted(name, before); err != nil {
		return nil, err
	}
	return checked(name, before, func() (*os.File, error) {
		f, err := reopen(named, name)
		if errors.Is(err, fs.ErrNotExist) { // without /proc
			return os.OpenFile(name, os.O_RDONLY|nonblock, 0)
		}
		return f, err
	})
}

// reopen opens what a descriptor names, whatever is at the name by now.
func reopen(named *os.File, name string) (*os.File, error) {
	fd, err := syscall.Open("/proc/self/fd/"+strconv.Itoa(int(named.Fd())), syscall.O_RDONLY|syscall.O_CLOEXEC|nonblock, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// OpenRoot is [os.OpenRoot] for a folder that others may put something else in the place
// of: that opens what the name leads to first, and so would wait for who writes to a
// FIFO. It needs /proc.
func OpenRoot(dir string) (*os.Root, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if errClose := f.Close(); err != nil || errClose != nil {
		return nil, errors.Join(err, errClose)
	}
	return root, nil
}
