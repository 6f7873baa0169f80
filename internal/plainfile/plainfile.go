// Package plainfile opens files whose names others gave. It opens regular files
// alone: a FIFO would wait for its writer for ever, and to open a device is to
// do something to it.
package plainfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"

	"github.com/capwise/capwise/internal/limit"
)

// wanted says why a file is not opened, or nil.
func wanted(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: want a regular file, not a %s", name, kind(info.Mode()))
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	default:
		return "special file"
	}
}

// OpenIn opens a regular file below a root, to which links that lead out of it
// don't count.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	before, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if err := wanted(name, before); err != nil {
		return nil, err
	}
	return checked(name, before, func() (*os.File, error) { return root.OpenFile(name, os.O_RDONLY|nonblock, 0) })
}

// checked opens a file, which has to be the one that was looked at before.
func checked(name string, before fs.FileInfo, open func() (*os.File, error)) (*os.File, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	if is, err := f.Stat(); err != nil || !os.SameFile(before, is) {
		_ = f.Close() // opened for reading
		return nil, fmt.Errorf("%s: it was another file a moment ago", name)
	}
	return f, nil
}

// Stat says what a name leads to, and refuses what is neither a regular file nor
// a directory.
func Stat(name string) (fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = wanted(name, info)
	}
	return info, err
}

// descriptor is how a shell names what is open already: standard input, or what
// a command's output is piped into, <(COMMAND).
var descriptor = regexp.MustCompile(`^(?:/dev/stdin|/(?:dev|proc/self)/fd/([0-9]{1,6}))$`)

// OpenGiven is [Open], and takes a name for a descriptor that the process has
// got, which may be a pipe or a terminal.
func OpenGiven(name string) (*os.File, error) {
	m := descriptor.FindStringSubmatch(name)
	if m == nil {
		return Open(name)
	}
	number, _ := strconv.Atoi(m[1]) // "" is 0, standard input
	return duplicate(name, number)
}

// Read reads what [OpenGiven] opens, to an end within the limit.
func Read(name string, most limit.Limit) ([]byte, error) {
	f, err := OpenGiven(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, err := most.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

var _ io.ReaderAt = (*os.File)(nil) // a regular file is read anywhere
