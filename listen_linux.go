package capwise

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/sys"
)

// refusedBind returns the error of package net in err if it is bind(2)'s EACCES
// for a TCP or UDP port, and nil otherwise. EACCES from a socket option, or for
// a Unix socket, means another thing.
func refusedBind(err error) *net.OpError {
	var op *net.OpError
	var call *os.SyscallError
	if !errors.Is(err, syscall.EACCES) || !errors.As(err, &op) || portOf(op) == 0 {
		return nil
	}
	if !errors.As(op.Err, &call) || call.Syscall != "bind" {
		return nil
	}
	return op
}

// portOf returns the port that net could not listen on, or 0.
func portOf(op *net.OpError) int {
	switch addr := op.Addr.(type) {
	case *net.TCPAddr:
		return addr.Port
	case *net.UDPAddr:
		return addr.Port
	default:
		return 0
	}
}

// listenRaised calls listen again with CAP_NET_BIND_SERVICE raised, if that can
// make a difference, or else returns refused, which explains itself then.
func listenRaised[T io.Closer](ctx context.Context, lc *ListenConfig, refused *net.OpError, listen func(*net.ListenConfig) (T, error)) (T, error) {
	var none, ln T
	if !raisable() {
		return none, explain(refused)
	}
	var err error
	lowering := onThread(capset.NetBindService, func(t *thread) {
		plain := net.ListenConfig(*lc)
		plain.Control = t.raiseAfter(ctx, lc.Control)
		ln, err = listen(&plain)
	})
	var raising *RaiseError
	switch {
	case lowering != nil:
		if err == nil {
			err = ln.Close()
		}
		return none, errors.Join(lowering, err)
	case errors.Is(err, errStrayed):
		return none, err
	case errors.As(err, &raising): // capset(2) itself was refused
		return none, explain(refused)
	case refusedBind(err) != nil:
		return none, explain(refusedBind(err))
	default:
		return ln, err
	}
}

// raisable reports whether CAP_NET_BIND_SERVICE is permitted and not effective.
// All threads of a Go program have the same sets unless it does otherwise; the
// thread that raises looks again.
func raisable() bool {
	sets, err := sys.Capget()
	const bit = 1 << capset.NetBindService
	return err == nil && sets.Permitted&bit != 0 && sets.Effective&bit == 0
}

// raiseAfter returns a Control function that calls control without and returns
// with the capability raised: package net calls it on the thread that then
// calls bind(2), with nothing but socket options between. Multipath TCP makes
// net call it a second time, for a plain TCP socket.
func (t *thread) raiseAfter(ctx context.Context, control func(string, string, syscall.RawConn) error) func(string, string, syscall.RawConn) error {
	return func(network, address string, c syscall.RawConn) error {
		if err := t.lower(); err != nil {
			return err
		}
		if control != nil {
			if err := control(network, address, c); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return t.raise()
	}
}

// explain returns refused with a BindError in it.
func explain(refused *net.OpError) error {
	op := *refused
	facts := diagnose.Self()
	op.Err = &BindError{Verdict: diagnose.Explain(facts, portOf(refused)), Facts: facts, Err: refused.Err}
	return &op
}
