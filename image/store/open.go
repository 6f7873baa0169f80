package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// Open opens where a reference leads. If it is to change, others are kept from
// changing it. stdin is read if that is where the archive comes from.
func Open(r ref.Ref, change bool, stdin io.Reader) (Store, error) {
	switch r.Kind {
	case ref.Layout:
		return openLayout(r.Path, change)
	case ref.Registry:
		return OpenRegistry(r.Path, r.Tag)
	case ref.Docker, ref.Podman, ref.Containerd:
		return Saved(r.Kind, r.Path)
	case ref.RootFS:
		return openRootFS(r.Path)
	}
	if r.Kind != ref.Archive {
		return OpenArchive(r.Path, change)
	}
	file, err := openAny(r.Path, stdin)
	if err != nil {
		return nil, err
	}
	return newAny(file)
}

// openAny opens an archive of which nobody says what is in it.
func openAny(path string, stdin io.Reader) (*os.File, error) {
	if path == ref.StandardInput {
		return fromStdin(stdin)
	}
	return plainfile.Open(path)
}

// newAny lists what is in an archive. One with more files than an image has is that of a
// root file system.
func newAny(file *os.File) (Store, error) {
	a, err := newArchive(file)
	if err != nil {
		return nil, err
	}
	err = a.list()
	var above *limit.Error
	if errors.As(err, &above) && (above.Limit == limit.Files || above.Limit == limit.FileHeaders) {
		a.Entries, a.names = nil, nil
		return a, nil
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// openLayout opens a layout, and locks it: against all others if it is to change.
func openLayout(path string, change bool) (*Dir, error) {
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	if err := d.Lock(change); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if change {
		d.sweep()
	}
	return d, nil
}

// fromStdin keeps an archive that comes on standard input in a file without a name.
func fromStdin(stdin io.Reader) (*os.File, error) {
	if stdin == nil {
		return nil, errors.New("standard input is not read here")
	}
	file, err := scratch.File()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(file, io.LimitReader(stdin, limit.Saved.Most+1))
	if err == nil {
		err = limit.Saved.Check(n)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// RootFS is the archive of a root file system, which is the one layer of an image.
type RootFS struct {
	file *os.File
	size int64
}

var _ Store = (*RootFS)(nil)

func openRootFS(name string) (*RootFS, error) {
	f, err := plainfile.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &RootFS{f, info.Size()}, nil
}

// Open implements [Store]. The layer's name is that of the file.
func (r *RootFS) Open(name string, size int64) (*File, error) {
	f := &File{name, io.NewSectionReader(r.file, 0, r.size)}
	return f.sized(size)
}

// Close implements [io.Closer].
func (r *RootFS) Close() error { return r.file.Close() }

// AsRootFS returns an archive as that of a root file system, if it can be one.
func (a *Archive) AsRootFS() *RootFS { return &RootFS{a.F, a.Size} }

// stream returns the content of a file that is read once.
func stream(s Store, name string, size int64) (io.ReadCloser, int64, error) {
	if r, ok := s.(*Registry); ok {
		blob, err := r.stream(name, size)
		return blob, max(size, 0), err
	}
	file, err := s.Open(name, size)
	if err != nil {
		return nil, 0, err
	}
	return section{file.SectionReader}, file.Size(), nil
}

// section is a part of a file, which stays open.
type section struct{ *io.SectionReader }

// Close implements [io.Closer].
func (section) Close() error { return nil }

// Blob is a file that documents name by its digest.
type Blob struct {
	Store Store
	// Name is that of the file, Size its bytes, [AnySize] if no descriptor says them.
	Name string
	Size int64
	// Digest is that of the file; "" if no document says it.
	Digest string
	// Urls says that its descriptor has urls for it, which are not asked.
	Urls bool
}

// Open returns the content, which is read once, and its size.
func (b *Blob) Open() (io.ReadCloser, int64, error) {
	blob, size, err := stream(b.Store, b.Name, b.Size)
	return blob, size, b.elsewhere(err)
}

// Bytes is its size, 0 if that is not known.
func (b *Blob) Bytes() int64 { return max(b.Size, 0) }

// File returns the file, which a registry is asked for first.
func (b *Blob) File() (*File, error) {
	f, err := b.Store.Open(b.Name, b.Size)
	return f, b.elsewhere(err)
}

// elsewhere says of a blob that is not where the image is, and that its descriptor
// has urls for, that those are not asked: they may lead anywhere.
func (b *Blob) elsewhere(err error) error {
	if !b.Urls || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w; its descriptor has urls, which are not fetched: push the image to a registry with all layers", err)
}
