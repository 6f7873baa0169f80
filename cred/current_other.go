//go:build !linux

package cred

import "errors"

// Current returns [errors.ErrUnsupported]: only Linux has these sets.
func Current() (Sets, error) { return Sets{}, errors.ErrUnsupported }
