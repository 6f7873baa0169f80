package filecap

import (
	"errors"
	"io/fs"
)

// ErrNone is what [Get] wraps for a file without the attribute.
var ErrNone = errors.New("the file carries no capabilities")

// Get reads the capabilities of the file at path; it follows symbolic links.
// It returns an [*fs.PathError] that wraps [ErrNone] where there are none,
// [ErrFormat] where the attribute is malformed, ENOTSUP where the file system
// has no extended attributes, and [errors.ErrUnsupported] off Linux.
//
// For a V3 attribute the kernel translates the root id into the caller's user
// namespace, and shows V2 where that namespace is the one it counts in.
func Get(path string) (Caps, error) { return get(path) }

// Set replaces the capabilities of the file at path; it follows symbolic
// links. The caller needs CAP_SETFCAP in a user namespace that owns the file's
// inode; inside one other than the initial the kernel stores V2 as V3.
// Writing to the file, or changing its owner, removes the attribute again.
func Set(path string, c Caps) error {
	raw, err := c.MarshalBinary()
	if err != nil {
		return &fs.PathError{Op: "set file capabilities", Path: path, Err: err}
	}
	return set(path, raw)
}

// Remove removes the attribute. That there is none is not an error.
func Remove(path string) error { return remove(path) }
