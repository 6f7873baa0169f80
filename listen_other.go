//go:build !linux

package capwise

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/capwise/capwise/capset"
)

// needsCapability is false: only Linux has the capability.
func needsCapability(error) bool { return false }

// listenRaised is never called, since needsCapability is false.
func listenRaised[T io.Closer](_ context.Context, _ *ListenConfig, refused error, _ func(*net.ListenConfig) (T, error)) (T, error) {
	var none T
	return none, refused
}

// do is Do for Require and Prefer.
func do(c capset.Cap, need Need, fn func() error) error {
	if need == Require {
		return &RaiseError{c, "raise", errors.ErrUnsupported}
	}
	return fn()
}
