//go:build !linux

package fix

import "errors"

// Launcher returns [errors.ErrUnsupported].
func Launcher(string, []byte, bool) (Change, error) { return Change{}, errors.ErrUnsupported }
