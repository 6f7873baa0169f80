package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// Change is a file that is replaced, or stands beside the old one.
type Change struct {
	Old, New string
	// From and To are the digests in the two names, if they have some.
	From, To string
	Content  io.ReaderAt
	Size     int64
	Keep     bool // the old file, too
	Last     bool // to be written after all others
}

// Renamed gives the change the name that the file has with its new digest, by pairs of
// an old digest and the new one.
func (c Change) Renamed(digests ...[2]string) Change {
	c.New = c.Old
	for _, d := range digests {
		from, to := hexOf(d[0]), hexOf(d[1])
		if strings.Contains(c.Old, from) {
			c.New, c.From, c.To = strings.ReplaceAll(c.Old, from, to), from, to
			break
		}
	}
	return c
}

// hexOf is a digest without its algorithm.
func hexOf(digest string) string { return digest[strings.IndexByte(digest, ':')+1:] }

// Writable is a store that can write itself, with changes.
type Writable interface {
	Store
	// Write writes a copy with the changes, or in place if the path is the store's own.
	// What is at the path is the old or the new at any time.
	Write(path string, changes []Change) error
}

var (
	_ Writable = (*Dir)(nil)
	_ Writable = (*Archive)(nil)
)

// sweep removes what runs that were killed have left in a layout.
func (d *Dir) sweep() {
	for _, folder := range []string{"", "blobs/sha256", "blobs/sha512"} {
		scratch.Sweep(filepath.Join(d.Path, folder), scratch.Left)
	}
}

// Write implements [Writable], for a copy: what is in a layout is replaced file by
// file.
func (d *Dir) Write(path string, changes []Change) (err error) {
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

// copyTo writes a copy with the changes into an empty folder, files at the same
// time: the new ones are awaited until they are on disk.
func (d *Dir) copyTo(to string, changes []Change) error {
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
		changed := slices.ContainsFunc(changes, func(c Change) bool { return c.Old == name && !c.Keep || c.New == name })
		switch {
		case e.IsDir() && name == ".":
			return os.Chmod(to, info.Mode().Perm())
		case e.IsDir():
			return os.Mkdir(filepath.Join(to, name), info.Mode().Perm()|0o700)
		case changed:
			return nil
		case !e.Type().IsRegular():
			return fmt.Errorf("%s: want a file or a folder, got neither", name)
		}
		g.Go(func() error { return d.copyFile(name, filepath.Join(to, name), info.Mode().Perm()) })
		return nil
	})
	if err != nil {
		return errors.Join(err, g.Wait())
	}
	for _, c := range changes {
		g.Go(func() error { return writeFile(filepath.Join(to, c.New), filepath.Join(d.Path, c.Old), c) })
	}
	return g.Wait()
}

func (d *Dir) copyFile(name, to string, mode fs.FileMode) error {
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

// WriteFile puts a new file in its place in the layout.
func (d *Dir) WriteFile(c Change) error {
	return writeFile(filepath.Join(d.Path, c.New), filepath.Join(d.Path, c.Old), c)
}

// writeFile puts the content of a change at path at once, with the mode of the
// file that it stands for.
func writeFile(path, like string, c Change) error {
	return replaceFile(path, like, func(w *os.File) error {
		_, err := io.Copy(w, io.NewSectionReader(c.Content, 0, c.Size))
		return err
	}, nil)
}

// replaceFile lets write write a file beside path and moves it there. Then the undos
// are of the past. A check that is not nil says of a name whether what it leads to is
// the file that may be replaced: where it is not, path keeps it, also if it got there
// at the last moment.
func replaceFile(path, like string, write func(*os.File) error, check func(name string) error, undos ...*scratch.Undo) (err error) {
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
		func() error { return write(tmp.File) }, func() error { return tmp.Chmod(mode) }, tmp.Sync,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return tmp.MoveBy(func(name string) error {
		if check != nil {
			return replaceChecked(name, path, check)
		}
		return renamed(name, path)
	}, undos...)
}

func renamed(name, path string) error {
	if err := os.Rename(name, path); err != nil {
		return unwritten(path, err)
	}
	return nil
}

// replaceChecked gives a file the name path, if check says that what has that name
// may go. Where the file system can exchange names, nobody can come between the check
// and the replacement: what was replaced is checked once more, and put back if need be.
func replaceChecked(name, path string, check func(name string) error) error {
	if err := check(path); err != nil {
		return err
	}
	err := exchange(name, path)
	if errors.Is(err, errors.ErrUnsupported) {
		return renamed(name, path)
	}
	if err != nil {
		return unwritten(path, err)
	}
	if err := check(name); err != nil {
		return errors.Join(err, exchange(name, path))
	}
	_ = os.Remove(name) // if it stays, a later run sweeps it
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
	return fmt.Errorf("%s: cannot write: %w", path, err)
}

// Same reports whether two paths are one file or folder.
func Same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
