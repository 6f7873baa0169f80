package fix

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// writable is the files that an image consists of.
type writable interface {
	// open returns a file. Its name may be a link to the file's own. A size that is
	// not negative is what it must have.
	open(name string, size int64) (*file, error)
	// write makes the changes, in a copy at path or in place if that is the
	// store's own. What is at path is the old or the new at any time.
	write(path string, changes []change) error
	io.Closer
}

type file struct {
	name string
	*io.SectionReader
}

// fileOf returns a file as the store gives it.
func fileOf(f *store.File, err error) (*file, error) {
	if err != nil {
		return nil, err
	}
	return &file{f.Name, f.SectionReader}, nil
}

// change is a file that is replaced, or stands beside the old one.
type change struct {
	old, new string
	// from and to are the digests in the two names, if they have some.
	from, to string
	content  io.ReaderAt
	size     int64
	keep     bool // the old file, too
	last     bool // to be written after all others
}

// dir is an OCI layout in a folder.
type dir struct{ *store.Dir }

const indexFile = store.IndexFile

// openDir opens a layout, and locks it: against all others if it is to change.
func openDir(path string, change bool) (dir, error) {
	d, err := store.OpenDir(path)
	if err != nil {
		return dir{}, err
	}
	if err := d.Lock(change); err != nil {
		return dir{}, errors.Join(err, d.Close())
	}
	if change {
		for _, folder := range []string{"", "blobs/sha256", "blobs/sha512"} {
			scratch.Sweep(filepath.Join(path, folder), scratch.Left)
		}
	}
	return dir{d}, nil
}

func (d dir) open(name string, size int64) (*file, error) { return fileOf(d.Open(name, size)) }

func (d dir) write(path string, changes []change) (err error) {
	tmp, err := scratch.FolderBeside(path)
	if err != nil {
		return unwritten(path, err)
	}
	defer func() { err = errors.Join(err, tmp.Remove()) }() // it is gone if all went well
	if err := d.copyTo(tmp.Name(), changes); err != nil {
		return err
	}
	if err := tmp.MoveTo(path); err != nil {
		return unwritten(path, err)
	}
	return nil
}

// same reports whether two paths are one file or folder.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// copyTo writes a copy with the changes into an empty folder, files at the same
// time: the new ones are awaited until they are on disk.
func (d dir) copyTo(to string, changes []change) error {
	var g errgroup.Group
	g.SetLimit(4)
	err := fs.WalkDir(d.Root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		changed := slices.ContainsFunc(changes, func(c change) bool { return c.old == name && !c.keep || c.new == name })
		switch {
		case e.IsDir() && name == ".":
			return os.Chmod(to, info.Mode().Perm())
		case e.IsDir():
			return os.Mkdir(filepath.Join(to, name), info.Mode().Perm()|0o700)
		case changed:
			return nil
		case !e.Type().IsRegular():
			return fmt.Errorf("%s: neither a file nor a folder", name)
		}
		g.Go(func() error { return d.copyFile(name, filepath.Join(to, name), info.Mode().Perm()) })
		return nil
	})
	if err != nil {
		return errors.Join(err, g.Wait())
	}
	for _, c := range changes {
		g.Go(func() error { return writeFile(filepath.Join(to, c.new), filepath.Join(d.Path, c.old), c) })
	}
	return g.Wait()
}

func (d dir) copyFile(name, to string, mode fs.FileMode) error {
	from, err := plainfile.OpenIn(d.Root, name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // opened for reading
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// writeFile puts the content of a change at path at once, with the mode of the
// file that it stands for.
func writeFile(path, like string, c change) error {
	return replaceFile(path, like, func(w *os.File) error {
		_, err := io.Copy(w, io.NewSectionReader(c.content, 0, c.size))
		return err
	}, unchecked)
}

// replaceFile lets write write a file beside path and moves it there, if check
// says that it may. Then the undos are of the past.
func replaceFile(path, like string, write func(*os.File) error, check func() error, undos ...*scratch.Undo) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(like); err == nil {
		mode = info.Mode().Perm()
	}
	tmp, err := scratch.Beside(path)
	if err != nil {
		return unwritten(path, err)
	}
	defer func() { err = errors.Join(err, tmp.Remove()) }() // it is gone if all went well
	// On disk before it has the name: a crash of the machine must not leave the
	// name with half of the content.
	for _, step := range []func() error{
		func() error { return write(tmp.File) }, func() error { return tmp.Chmod(mode) }, tmp.Sync, check,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := tmp.MoveTo(path, undos...); err != nil {
		return unwritten(path, err)
	}
	return nil
}

func unchecked() error { return nil }

// unwritten says that there can't be a result at path, without the name of the
// temporary file that was to become it.
func unwritten(path string, err error) error {
	var named *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &named):
		err = named.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("%s can't be written: %w", path, err)
}
