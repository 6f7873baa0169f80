package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/scenario"
)

// tree is the files of a machine: of this one, or of another below a folder, where
// symbolic links mean files below that folder.
type tree struct{ root string }

func newTree(root string) tree {
	if root == "" {
		root = "/"
	}
	return tree{root}
}

// here reports whether the tree is that of this machine.
func (t tree) here() bool { return t.root == "/" }

// shown is the name of a file in messages.
func (t tree) shown(name string) string {
	if t.here() {
		return name
	}
	return filepath.Join(t.root, name)
}

// open opens the tree as a descriptor, by which another machine's is read: nothing
// leads out of it, whoever changes it meanwhile.
func (t tree) open() (*os.Root, error) { return plainfile.OpenRoot(t.root) }

// relative makes a name of the tree one for [os.Root].
func relative(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name != "" {
		return name
	}
	return "."
}

// follow returns where a name leads below root.
func follow(root *os.Root, name string) (string, error) {
	inside, err := scenario.FollowLinks(name, func(name string) (string, error) {
		info, err := root.Lstat(relative(name))
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return "", err
		}
		return root.Readlink(relative(name))
	})
	return relative(inside), err
}

// read reads a unit, a drop-in or a list of variables.
func (t tree) read(name string) ([]byte, error) {
	if t.here() {
		return plainfile.Read(name, limit.Unit)
	}
	root, err := t.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	inside, err := follow(root, name)
	if err != nil {
		return nil, err
	}
	f, err := plainfile.OpenIn(root, inside)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, err := limit.Unit.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.shown(name), err)
	}
	return data, nil
}

// readlink returns the target of a symbolic link, "" for another file.
func (t tree) readlink(name string) string {
	if t.here() {
		target, _ := os.Readlink(name) // "" where it is none
		return target
	}
	root, err := t.open()
	if err != nil {
		return ""
	}
	defer func() { _ = root.Close() }() // nothing was written
	dir, err := follow(root, path.Dir(name))
	if err != nil {
		return ""
	}
	target, _ := root.Readlink(path.Join(dir, path.Base(name))) // "" where it is none
	return target
}

// mostNames is how many files of a folder are looked at.
const mostNames = 1 << 16

// list returns the names in a folder; none where there is no such folder.
func (t tree) list(folder string) ([]string, error) {
	open := func() (*os.File, error) { return os.Open(folder) }
	if !t.here() {
		root, err := t.open()
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }() // nothing was written
		open = func() (*os.File, error) {
			inside, err := follow(root, folder)
			if err != nil {
				return nil, err
			}
			info, err := root.Stat(inside)
			if err != nil || !info.IsDir() { // a FIFO would wait
				return nil, fs.ErrNotExist
			}
			return root.Open(inside)
		}
	}
	if info, err := os.Stat(folder); t.here() && (err != nil || !info.IsDir()) {
		return nil, nil
	}
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	names, err := f.Readdirnames(mostNames)
	if len(names) == mostNames {
		return nil, fmt.Errorf("%s: %d files or more in a folder of units", t.shown(folder), mostNames)
	}
	if err != nil && len(names) > 0 {
		return nil, err
	}
	return names, nil
}
