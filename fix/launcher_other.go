//go:build !linux

package fix

import "errors"

// TargetSuffix ends the name under which a program lies beside its launcher.
const TargetSuffix = ".capwise"

// Launcher returns [errors.ErrUnsupported].
func Launcher(string, []byte, bool) (Change, error) { return Change{}, errors.ErrUnsupported }
