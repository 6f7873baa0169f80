//go:build !linux

package capwise

import (
	"errors"

	"github.com/capwise/capwise/capset"
)

// do is [Do] elsewhere than on Linux.
func do(c capset.Cap, need Need, fn func() error) error {
	if need == Require {
		return &RaiseError{c, "raise", errors.ErrUnsupported}
	}
	return fn()
}
