package held

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/capwise/capwise/internal/sys"
)

// Temporary is a new file of the folder under a name for the time being. It is
// locked (flock(2)) for as long as it is open, so that what a killed process left
// behind can be told from what is in use.
type Temporary struct {
	*os.File
	held *File
}

// Create makes a new file, that only the caller can read, whose name begins with
// prefix.
func (d *Folder) Create(prefix string) (_ *Temporary, err error) {
	name := prefix + rand.Text()
	fd, err := syscall.Openat(d.fd, name, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, d.failed("create", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(d.failed("flock", name, err), d.forget(name))
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, errors.Join(d.failed("stat", name, err), d.forget(name))
	}
	h, err := d.made(name, st)
	if err != nil {
		return nil, err
	}
	return &Temporary{file, h}, nil
}

// made holds what has been made under a name just now, which is the inode of st. What
// can't be held is removed again.
func (d *Folder) made(name string, st syscall.Stat_t) (*File, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, errors.Join(err, d.forget(name))
	}
	if f.stat.Ino != st.Ino || f.stat.Dev != st.Dev {
		return nil, errors.Join(d.failed("create", name, ErrSwapped), f.Close())
	}
	return f, nil
}

// forget removes a name that has been made just now.
func (d *Folder) forget(name string) error {
	err := syscall.Unlinkat(d.fd, name)
	if err == nil || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return d.failed("remove", name, err)
}

// Held is the file as others of the package are.
func (t *Temporary) Held() *File { return t.held }

// Close gives the descriptors back. The file stays.
func (t *Temporary) Close() error { return errors.Join(t.File.Close(), t.held.Close()) }

// Discard removes the file, if it still has its name, and closes it.
func (t *Temporary) Discard() error { return errors.Join(t.held.Remove(), t.Close()) }

// Lock tries to lock the file, as [Folder.Create] does. It reports whether nobody
// else has it locked.
func (f *File) Lock() (bool, error) {
	c, err := f.Content()
	if err != nil {
		return false, err
	}
	err = syscall.Flock(int(c.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Link gives the file another name in its folder, and returns it as held by that.
// The error wraps [os.ErrExist] if there is one of this name.
func (f *File) Link(name string) (*File, error) {
	if err := sys.LinkDescriptor(procName(f.fd), f.folder.fd, name); err != nil {
		return nil, f.folder.failed("link", name, err)
	}
	return f.folder.made(name, f.stat)
}

// Rename moves the file to another name in its folder, over what is there. Its name
// leads to it still, just before.
func (f *File) Rename(to string) error {
	if err := f.Still(); err != nil {
		return f.failed("rename", err)
	}
	if err := syscall.Renameat(f.folder.fd, f.name, f.folder.fd, to); err != nil {
		return f.failed("rename", err)
	}
	f.name = to
	return nil
}

// Remove takes the file's name away, if it still leads to it.
func (f *File) Remove() error {
	if err := f.Still(); err != nil {
		return f.failed("remove", err)
	}
	if err := syscall.Unlinkat(f.folder.fd, f.name); err != nil {
		return f.failed("remove", err)
	}
	return nil
}

// Sync has the folder's names on disk when it returns.
func (d *Folder) Sync() error {
	r, err := d.Reading()
	if err != nil {
		return err
	}
	return errors.Join(syscall.Fsync(r.fd), r.Close())
}

// Names lists what is in the folder. More than a million names are an error.
func (d *Folder) Names() ([]string, error) {
	r, err := d.Reading()
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(r.fd), d.path)
	defer func() { _ = dir.Close() }() // opened for reading
	names, err := dir.Readdirnames(maxNames)
	if len(names) == maxNames {
		return nil, fmt.Errorf("%s: more than %d files", d.path, maxNames-1)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

const maxNames = 1_000_001
