package aware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/internal/plainfile"
)

// DetectIn is [Detect] for a program of this machine, at a path without symbolic links,
// and the libraries that it is linked with. They are looked up below the folder that is
// the root folder to the program: the nearest one above it that has the program's
// dynamic linker, such as the root file system of a container.
func DetectIn(file string, content io.ReaderAt) (Result, error) {
	r, err := Detect(content)
	if err != nil || r.Answer != Dumb || r.Linked == nil {
		return r, err
	}
	file = filepath.ToSlash(file)
	root, dir, err := rootOf(file, r.Linked.Interpreter)
	if err != nil {
		return r, err
	}
	defer func() { _ = root.Close() }() // opened for reading
	return r.WithLibraries("/"+strings.TrimPrefix(strings.TrimPrefix(file, dir), "/"), librariesBelow(root)), nil
}

// rootOf opens the root folder of a program.
func rootOf(file, interpreter string) (root *os.Root, dir string, err error) {
	for dir = path.Dir(file); ; dir = path.Dir(dir) {
		if root, err = plainfile.OpenRoot(dir); err != nil {
			return nil, "", err
		}
		if dir == path.Dir(dir) {
			return root, dir, nil
		}
		// Where /lib is a link to usr/lib, /usr has it, too.
		if path.IsAbs(interpreter) && path.Base(dir) != "usr" {
			if _, err := follow(root, interpreter); err == nil {
				return root, dir, nil
			}
		}
		if err := root.Close(); err != nil {
			return nil, "", err
		}
	}
}

// librariesBelow is [Files] below a root folder of this machine. Nothing outside is opened.
func librariesBelow(root *os.Root) Files {
	return func(name string) (l Linked, err error) {
		at, err := follow(root, name)
		if err != nil {
			return l, err
		}
		file, err := plainfile.OpenIn(root, at)
		if err != nil {
			return l, err
		}
		defer func() { _ = file.Close() }() // opened for reading
		return Library(file)
	}
}

// mostLinks is how many symbolic links the kernel follows (MAXSYMLINKS of
// fs/namei.c).
const mostLinks = 40

// follow returns where an absolute path leads below a root folder, to which absolute
// links there refer, too. It exists.
func follow(root *os.Root, name string) (string, error) {
	left, at := strings.Split(name, "/"), "."
	for links := 0; len(left) > 0; {
		next := path.Join(at, left[0])
		left = left[1:]
		if next == ".." || strings.HasPrefix(next, "../") { // above the root is the root
			next = "."
		}
		info, err := root.Lstat(next)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return "", fs.ErrNotExist
			}
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > mostLinks {
			return "", fmt.Errorf("more than %d symbolic links", mostLinks)
		}
		target, err := root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			at = "."
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return at, nil
}
