//go:build !linux

package launch

import "errors"

// Exec returns an [*Error] that wraps [errors.ErrUnsupported]: other systems have
// no capabilities.
func Exec(string, []string, Caps) error { return failed("", errors.ErrUnsupported) }
