//go:build !linux

package capwise

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/capwise/capwise/capset"
)

// refusedBind returns nil: only Linux has the capability.
func refusedBind(error) *net.OpError { return nil }

// listenRaised is never called, since refusedBind returns nil.
func listenRaised[T io.Closer](_ context.Context, _ *ListenConfig, refused *net.OpError, _ func(*net.ListenConfig) (T, error)) (T, error) {
	var none T
	return none, refused
}

// do is [Do] elsewhere than on Linux.
func do(c capset.Cap, need Need, fn func() error) error {
	if need == Require {
		return &RaiseError{c, "raise", errors.ErrUnsupported}
	}
	return fn()
}
