package filecap

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/capwise/capwise/internal/sys"
)

func get(path string) (Caps, error) {
	raw, err := sys.GetCapabilityXattr(path)
	if errors.Is(err, syscall.ENODATA) {
		err = ErrNone
	}
	if err != nil {
		return Caps{}, &fs.PathError{Op: "getxattr security.capability", Path: path, Err: err}
	}
	c, err := Parse(raw)
	if err != nil {
		return Caps{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return c, nil
}

func set(path string, raw []byte) error {
	if err := sys.SetCapabilityXattr(path, raw); err != nil {
		return &fs.PathError{Op: "setxattr security.capability", Path: path, Err: err}
	}
	return nil
}

func remove(path string) error {
	err := sys.RemoveCapabilityXattr(path)
	if err == nil || errors.Is(err, syscall.ENODATA) {
		return nil
	}
	if errors.Is(err, syscall.EPERM) { // which the kernel says first, though there may be nothing
		if _, none := get(path); errors.Is(none, ErrNone) {
			return nil
		}
	}
	return &fs.PathError{Op: "removexattr security.capability", Path: path, Err: err}
}
