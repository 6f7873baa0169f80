//go:build !linux

package scan

import (
	"errors"
	"sync/atomic"
)

// Tree looks for files with capabilities below a directory; off Linux there are
// none.
type Tree struct {
	OneFileSystem bool
	Workers       int
	Found         func(path string, attribute []byte)
	Failed        func(path string, err error)
	Files         atomic.Int64
}

// Walk returns [errors.ErrUnsupported].
func (*Tree) Walk(root string) error { return &pathError{root, errors.ErrUnsupported} }

// Attribute returns [errors.ErrUnsupported].
func Attribute(path string) ([]byte, error) { return nil, &pathError{path, errors.ErrUnsupported} }

// About returns 0: how many files there are is not known.
func About(string) int64 { return 0 }
