//go:build !linux

package capwise

import (
	"context"
	"io"
	"net"
)

// refusedBind returns nil: only Linux has the capability.
func refusedBind(error) *net.OpError { return nil }

// listenRaised is never called, since refusedBind returns nil.
func listenRaised[T io.Closer](_ context.Context, _ *ListenConfig, refused *net.OpError, _ func(*net.ListenConfig) (T, error)) (T, error) {
	var none T
	return none, refused
}
