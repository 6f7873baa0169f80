//go:build !linux

package filecap

import (
	"errors"
	"io/fs"
)

func get(path string) (Caps, error) {
	return Caps{}, unsupported(path)
}

func set(path string, _ []byte) error { return unsupported(path) }

func remove(path string) error { return unsupported(path) }

func unsupported(path string) error {
	return &fs.PathError{Op: "file capabilities", Path: path, Err: errors.ErrUnsupported}
}
