//go:build !linux

package trial

import (
	"errors"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// Main does nothing: only Linux can be tried.
func Main() {}

// Unprivileged reports true.
func Unprivileged() bool { return true }

// Ordinary returns t.
func Ordinary(t law.Task) law.Task { return t }

// Available returns [errors.ErrUnsupported].
func Available() (capset.Set, error) { return 0, errors.ErrUnsupported }

// Run returns [errors.ErrUnsupported].
func Run(Spec) (Result, error) { return Result{}, errors.ErrUnsupported }
