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
)

// store is the files that an image consists of.
type store interface {
	// open returns a file. Its name may be a link to the file's own.
	open(name string) (*file, error)
	// write makes the changes, in a copy at path or in place if that is the
	// store's own. What is at path is the old or the new at any time.
	write(path string, changes []change) error
	io.Closer
}

type file struct {
	name string
	*io.SectionReader
}

// change is a file that is replaced, or stands beside the old one.
type change struct {
	old, new string
	// from and to are the digests in the two names, if they have some.
	from, to string
	content  io.ReaderAt
	size     int64
	keep     bool // the old file, too
	there    bool // the new file was there before
	last     bool // to be written after all others
}

// dir is an OCI layout in a folder.
type dir struct {
	path  string
	root  *os.Root
	files []*os.File
}

const indexFile = "index.json"

func openDir(path string) (*dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &dir{path: path, root: root}, nil
}

func (d *dir) open(name string) (*file, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	d.files = append(d.files, f)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	return &file{name, io.NewSectionReader(f, 0, info.Size())}, nil
}

// Close implements [io.Closer].
func (d *dir) Close() error {
	for _, f := range d.files {
		_ = f.Close() // opened for reading
	}
	return d.root.Close()
}

func (d *dir) write(path string, changes []change) error {
	if same(d.path, path) {
		return d.replace(changes)
	}
	parent, base := filepath.Split(filepath.Clean(path))
	tmp, err := os.MkdirTemp(orHere(parent), "."+base+".capwise-")
	if err != nil {
		return unwritten(path, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // it is gone if all went well
	if err := d.copyTo(tmp, changes); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return unwritten(path, err)
	}
	return nil
}

// orHere returns the folder, which [filepath.Split] leaves empty for the current.
func orHere(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
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

// replace makes the changes in place. New blobs don't disturb; the layout is
// another once its index is.
func (d *dir) replace(changes []change) error {
	for i := range changes {
		_, err := d.root.Stat(changes[i].new)
		changes[i].there = err == nil
	}
	for _, last := range []bool{false, true} {
		for i, c := range changes {
			if c.last != last {
				continue
			}
			if err := writeFile(filepath.Join(d.path, c.new), filepath.Join(d.path, c.old), c); err != nil {
				d.remove(changes[:i])
				return err
			}
		}
	}
	for _, c := range changes {
		if !c.keep && c.old != c.new {
			if err := d.root.Remove(c.old); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// remove takes new blobs away again, of changes that could not be made to the end.
func (d *dir) remove(changes []change) {
	for _, c := range changes {
		if c.new != c.old && !c.there {
			_ = d.root.Remove(c.new) // there is an error already
		}
	}
}

// copyTo writes a copy with the changes into an empty folder, files at the same
// time: the new ones are awaited until they are on disk.
func (d *dir) copyTo(to string, changes []change) error {
	var g errgroup.Group
	g.SetLimit(4)
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
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
		g.Go(func() error { return writeFile(filepath.Join(to, c.new), filepath.Join(d.path, c.old), c) })
	}
	return g.Wait()
}

func (d *dir) copyFile(name, to string, mode fs.FileMode) error {
	from, err := d.root.Open(name)
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
	})
}

// replaceFile lets write write a file beside path and moves it there.
func replaceFile(path, like string, write func(*os.File) error) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(like); err == nil {
		mode = info.Mode().Perm()
	}
	parent, base := filepath.Split(path)
	tmp, err := os.CreateTemp(orHere(parent), "."+base+".capwise-")
	if err != nil {
		return unwritten(path, err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err := write(tmp); err != nil {
		return err
	}
	// On disk before it has the name: a crash of the machine must not leave the
	// name with half of the content.
	for _, step := range []func() error{func() error { return tmp.Chmod(mode) }, tmp.Sync, tmp.Close} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return unwritten(path, err)
	}
	return nil
}

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
