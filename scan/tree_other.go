//go:build !linux

package scan

import "errors"

// Walk returns [errors.ErrUnsupported].
func (*Tree) Walk(root string) error { return &pathError{root, errors.ErrUnsupported} }

// Attribute returns [errors.ErrUnsupported].
func Attribute(path string) ([]byte, error) { return nil, &pathError{path, errors.ErrUnsupported} }

// About returns 0: how many files there are is not known.
func About(string) int64 { return 0 }
