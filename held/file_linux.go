package held

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/sys"
)

// File is a regular file in a folder, both held open. It stays this file whatever
// becomes of its name.
type File struct {
	// Path is what the file was asked for, or found, by; for messages.
	Path    string
	folder  *Folder
	name    string
	fd      int
	stat    syscall.Stat_t
	exposed string
	content *os.File
	beside  []*File
}

// Open holds the regular file at path. It follows symbolic links, the last one
// too, one at a time. The error is an [*fs.PathError], which wraps [ErrNotRegular]
// if there is something else.
func Open(path string) (*File, error) {
	w, err := walkTo(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.close() }() // O_PATH
	if w.in == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	f, err := w.in.Open(filepath.Base(w.at.path))
	if err != nil {
		return nil, err
	}
	f.Path = path
	if f.stat.Dev != w.at.stat.Dev || f.stat.Ino != w.at.stat.Ino {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: ErrSwapped}, f.Close())
	}
	return f, nil
}

// Open holds a regular file of the folder. It follows no symbolic link. The caller
// may close the folder.
func (d *Folder) Open(name string) (*File, error) {
	if !sys.HasProc() {
		return nil, d.failed("open", name, errors.New("capwise needs the process file system at /proc, which is not mounted"))
	}
	fd, crossed, err := sys.OpenMarking(d.fd, name, openPath)
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	f := &File{Path: filepath.Join(d.path, name), name: name, fd: fd}
	err = syscall.Fstat(fd, &f.stat)
	if err == nil && f.stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		return nil, errors.Join(d.failed("open", name, err), syscall.Close(fd))
	}
	if f.folder, err = d.again(openPath | syscall.O_DIRECTORY); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	f.folder.led = d.ledBy(f.Path, crossed)
	f.exposed = d.exposure(&f.stat)
	return f, nil
}

// Close gives the descriptors back.
func (f *File) Close() error {
	errs := []error{syscall.Close(f.fd), f.folder.Close()}
	for _, other := range f.beside {
		errs = append(errs, other.Close())
	}
	if f.content != nil {
		errs = append(errs, f.content.Close())
	}
	return errors.Join(errs...)
}

// Beside holds another regular file of the folder. It is closed with this one.
func (f *File) Beside(name string) (*File, error) {
	other, err := f.folder.Open(name)
	if err == nil {
		f.beside = append(f.beside, other)
	}
	return other, err
}

// Folder is the folder that the file was found in. It is closed with the file.
func (f *File) Folder() *Folder { return f.folder }

// Name is the file's name in its folder.
func (f *File) Name() string { return f.name }

// RealPath is the path from the root folder, without symbolic links.
func (f *File) RealPath() string { return filepath.Join(f.folder.path, f.name) }

// Exposed is [Folder.Exposed] for the file.
func (f *File) Exposed() string { return f.exposed }

// Owner is the user that the file belonged to when it was opened.
func (f *File) Owner() uint32 { return f.stat.Uid }

// Group is its group then.
func (f *File) Group() uint32 { return f.stat.Gid }

// Mode is its mode then, with the kind, as stat(2) has it.
func (f *File) Mode() uint32 { return f.stat.Mode }

// Links is how many names the file has now, 0 if that cannot be told.
func (f *File) Links() int {
	var now syscall.Stat_t
	if syscall.Fstat(f.fd, &now) != nil {
		return 0
	}
	return int(now.Nlink)
}

// OtherNames is how many names the file has besides its own and those of the given
// ones of its folder that lead to it. The names that are counted were there all the
// time, so that nobody can have added to them, or hidden one, meanwhile.
func (f *File) OtherNames(known ...string) (int, error) {
	same := []*File{f}
	for _, name := range known {
		other, err := f.folder.Open(name)
		if err != nil {
			continue // then it is not counted
		}
		defer func() { _ = other.Close() }() // O_PATH
		if f.Same(other) {
			same = append(same, other)
		}
	}
	links := f.Links()
	for _, one := range same {
		// The kernel marks a descriptor whose name was taken away, for good.
		at, err := os.Readlink(procName(one.fd))
		if err == nil && strings.HasSuffix(at, " (deleted)") {
			err = ErrSwapped
		}
		if err != nil {
			return 0, f.failed("stat", err)
		}
	}
	return links - len(same), nil
}

// OthersCanWrite reports whether somebody else than root and the caller owns the
// file, or may write to it.
func (f *File) OthersCanWrite() bool {
	return !trusted(f.stat.Uid) || f.stat.Mode&writableByOthers != 0
}

// Same reports whether the two are one file.
func (f *File) Same(other *File) bool {
	return f.stat.Dev == other.stat.Dev && f.stat.Ino == other.stat.Ino
}

// Still returns [ErrSwapped] if the file's name no longer leads to it.
func (f *File) Still() error {
	now, err := f.folder.Open(f.name)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrSwapped, err)
	}
	err = now.Close()
	if !f.Same(now) {
		return ErrSwapped
	}
	return err
}

// Content is the file, open for reading. It is closed with the File.
func (f *File) Content() (*os.File, error) {
	if f.content != nil {
		return f.content, nil
	}
	c, err := os.OpenFile(procName(f.fd), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.failed("open", err)
	}
	f.content = c
	return c, nil
}

// Attribute returns the raw attribute security.capability, nil if there is none.
// EOVERFLOW says that it belongs to a user namespace whose root has no number here.
func (f *File) Attribute() ([]byte, error) {
	attribute, err := sys.GetCapabilityXattr(procName(f.fd))
	if errors.Is(err, syscall.ENODATA) || errors.Is(err, syscall.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, f.failed("getxattr security.capability", err)
	}
	return attribute, nil
}

// Caps is [filecap.Get] for the file.
func (f *File) Caps() (filecap.Caps, error) {
	c, err := filecap.Get(procName(f.fd))
	return c, f.renamed(err)
}

// SetCaps is [filecap.Set] for the file.
func (f *File) SetCaps(c filecap.Caps) error { return f.renamed(filecap.Set(procName(f.fd), c)) }

// RemoveCaps is [filecap.Remove] for the file.
func (f *File) RemoveCaps() error { return f.renamed(filecap.Remove(procName(f.fd))) }

// Freeze keeps everybody from writing to the file until thaw is called, or until
// the kernel gives a writer that waits his turn after 45 seconds
// (/proc/sys/fs/lease-break-time). It fails where somebody has the file open for
// writing, and on file systems without leases.
func (f *File) Freeze() (thaw func() error, err error) {
	c, err := f.Content()
	if err != nil {
		return nil, err
	}
	switch err := sys.Lease(int(c.Fd())); {
	case errors.Is(err, syscall.EAGAIN):
		return nil, f.failed("freeze", errors.New("somebody has it open for writing"))
	case err != nil:
		return nil, f.failed("freeze", fmt.Errorf("fcntl F_SETLEASE: %w", err))
	}
	return func() error { return sys.EndLease(int(c.Fd())) }, nil
}

func (f *File) failed(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.Path, Err: err}
}

// renamed puts the file's path into an error for that of its descriptor.
func (f *File) renamed(err error) error {
	if named := new(fs.PathError); errors.As(err, &named) {
		return &fs.PathError{Op: named.Op, Path: f.Path, Err: named.Err}
	}
	return err
}
