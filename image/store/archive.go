package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// Archive is images in a tar archive.
type Archive struct {
	// Path is where the file lies, behind symbolic links.
	Path string
	// F is the file, or what it unpacks to, and Size how long it is.
	F       *os.File
	Size    int64
	Entries []*tarwalk.Entry

	info        fs.FileInfo
	names       map[string]*tarwalk.Entry
	twice       map[string]bool
	compression compression.Kind
	packed      *os.File // the file at the path, if F is what it unpacks to
}

var _ Store = (*Archive)(nil)

// OpenArchive opens an archive and lists what is in it. If it is to change, it is
// locked until it is closed.
func OpenArchive(name string, change bool) (_ *Archive, err error) {
	resolved, err := filepath.EvalSymlinks(name) // the file is replaced, not a link to it
	if missing := new(fs.PathError); errors.As(err, &missing) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: missing.Err}
	}
	if err != nil {
		return nil, err
	}
	a := &Archive{Path: resolved, names: map[string]*tarwalk.Entry{}, twice: map[string]bool{}}
	if err := a.openFile(change); err != nil {
		return nil, err
	}
	if err := errors.Join(a.unpack(), a.list()); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// NewArchive lists what is in an archive that has no path. Closing it closes the
// file.
func NewArchive(f *os.File) (*Archive, error) {
	a, err := newArchive(f)
	if err != nil {
		return nil, err
	}
	if err := a.list(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// newArchive is NewArchive, which does not list what is in the archive.
func newArchive(f *os.File) (*Archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a := &Archive{F: f, Size: info.Size(), info: info, names: map[string]*tarwalk.Entry{}, twice: map[string]bool{}}
	if err := a.unpack(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// unpack decompresses an archive into a file without a name, if it is compressed as a
// whole.
func (a *Archive) unpack() (err error) {
	if a.compression, err = compression.Detect(a.F); err != nil || a.compression == compression.None {
		return err
	}
	m := meter.Meter{}
	m.Packed(a.Size)
	r, done, err := a.compression.Open(a.F, a.Size)
	if err != nil {
		return err
	}
	defer done()
	plain, err := scratch.File()
	if err != nil {
		return err
	}
	a.packed, a.F = a.F, plain
	a.Size, err = io.Copy(plain, m.Reader(r))
	if err != nil {
		return fmt.Errorf("%s: %w", a.compression, err)
	}
	return nil
}

// openFile opens the file that is at the path once it is locked: who had the lock
// before may have put another one there.
func (a *Archive) openFile(change bool) error {
	for {
		f, err := plainfile.Open(a.Path)
		if err != nil {
			return err
		}
		a.F = f
		if change {
			err = lock(f, scratch.TryLock)
		}
		if err == nil {
			a.info, err = f.Stat()
		}
		if err == nil && (!change || a.Unchanged() == nil) {
			a.Size = a.info.Size()
			return nil
		}
		if errClose := f.Close(); err != nil || errClose != nil {
			return errors.Join(err, errClose)
		}
	}
}

// Unchanged says whether the file is still at its path, and as it was.
func (a *Archive) Unchanged() error { return a.unchanged(a.Path) }

// unchanged says whether the file has the name, and is as it was.
func (a *Archive) unchanged(name string) error {
	now, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !os.SameFile(a.info, now) || now.Size() != a.info.Size() || !now.ModTime().Equal(a.info.ModTime()) {
		return fmt.Errorf("%s: another program has changed it meanwhile: %w", a.Path, ErrChanged)
	}
	return nil
}

func (a *Archive) list() error {
	w := tarwalk.New(io.NewSectionReader(a.F, 0, a.Size))
	headers := int64(0)
	for {
		e, err := w.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		headers += int64(len(e.Raw))
		a.Entries = append(a.Entries, e)
		if err := errors.Join(limit.Files.Check(int64(len(a.Entries))), limit.FileHeaders.Check(headers)); err != nil {
			return err
		}
		name := path.Clean(e.Name)
		a.twice[name] = a.names[name] != nil && e.Type != tarwalk.TypeDir
		a.names[name] = e
	}
}

// Open implements [Store].
func (a *Archive) Open(name string, size int64) (*File, error) {
	name = path.Clean(name)
	for range 8 {
		e := a.names[name]
		switch {
		case e == nil:
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		case a.twice[name]:
			return nil, fmt.Errorf("%s: the archive has two files of this name", name)
		case e.Type == tarwalk.TypeReg && e.Sparse():
			return nil, fmt.Errorf("%s: want a plain file, not a sparse one", name)
		case e.Type == tarwalk.TypeReg:
			file := &File{name, io.NewSectionReader(a.F, e.DataOffset(), e.Size)}
			return file.sized(size)
		case e.Type == tarwalk.TypeSymlink:
			name = path.Join(path.Dir(name), e.Linkname)
		case e.Type == tarwalk.TypeLink:
			name = path.Clean(e.Linkname)
		default:
			return nil, fmt.Errorf("%s: not a regular file", name)
		}
	}
	return nil, fmt.Errorf("%s: too many links", name)
}

// Close implements [io.Closer].
func (a *Archive) Close() error {
	err := a.F.Close()
	if a.packed != nil {
		err = errors.Join(err, a.packed.Close())
	}
	return err
}
