//go:build !linux

package fix

import (
	"errors"

	"github.com/capwise/capwise/held"
)

// File returns [errors.ErrUnsupported].
func File(*held.File, Options) (Change, error) { return Change{}, errors.ErrUnsupported }
