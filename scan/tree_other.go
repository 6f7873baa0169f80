//go:build !linux

package scan

import (
	"errors"
	"io/fs"
)

// Walk returns [errors.ErrUnsupported].
func (*Tree) Walk(root string) error {
	return &fs.PathError{Op: "walk", Path: root, Err: errors.ErrUnsupported}
}

// About returns 0: how many files there are is not known.
func About(string) int64 { return 0 }
