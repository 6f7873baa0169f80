// Package fix puts the capabilities of files on this machine right.
//
// Changing the attribute is one system call, so that a file is either as it was
// or as it is to be. Its content, owner, mode, modification time, other
// attributes and hard links stay; of the inode only the change time moves.
package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/capwise/capwise/filecap"
)

// Mode says what is to become of a file's capabilities.
type Mode string

// The modes.
const (
	// Permitted takes the effective bit off, so that the file always starts.
	Permitted Mode = "permitted"
	// Strip removes the attribute.
	Strip Mode = "strip"
)

// Change is what was done to a file, or would be.
type Change struct {
	// Old and New are the capabilities in libcap's text form; "" for none.
	Old, New string
}

// Needed reports whether there is anything to do.
func (c Change) Needed() bool { return c.Old != c.New }

// ErrForeign says that the capabilities count in another user namespace only,
// in which they have to be changed.
var ErrForeign = errors.New("its capabilities belong to another user namespace")

// File changes the file at path, unless dry, and says what it did. It follows no
// symbolic link. A file without capabilities needs no change. The caller needs
// CAP_SETFCAP over the file. The error is an [*fs.PathError]; it wraps
// [ErrForeign], [filecap.ErrFormat] (Strip takes those too) or the kernel's.
func File(path string, mode Mode, dry bool) (Change, error) {
	// By its descriptor it stays the same file whatever becomes of the name.
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return Change{}, err
	}
	c, err := change("/proc/self/fd/"+strconv.FormatUint(uint64(f.Fd()), 10), mode, dry)
	if err = errors.Join(err, f.Close()); err != nil {
		return Change{}, &fs.PathError{Op: "fix", Path: path, Err: cause(err)}
	}
	return c, nil
}

// cause takes the name of the descriptor off an error.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}

// change is File for the name of a descriptor.
func change(name string, mode Mode, dry bool) (Change, error) {
	caps, err := filecap.Get(name)
	switch {
	case errors.Is(err, filecap.ErrNone), errors.Is(err, syscall.ENOTSUP):
		return Change{}, nil
	case errors.Is(err, filecap.ErrFormat) && mode == Strip:
		return strip(name, Change{Old: "malformed"}, dry)
	case errors.Is(err, syscall.EOVERFLOW), err == nil && caps.Foreign():
		return Change{}, ErrForeign
	case err != nil:
		return Change{}, err
	}
	c := Change{Old: caps.String()}
	if mode == Strip {
		return strip(name, c, dry)
	}
	caps.Effective = false
	c.New = caps.String()
	if dry || !c.Needed() {
		return c, nil
	}
	return c, filecap.Set(name, caps)
}

func strip(name string, c Change, dry bool) (Change, error) {
	if dry {
		return c, nil
	}
	return c, filecap.Remove(name)
}
