package capwise

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
)

// BindError says why the kernel refused to bind a port, and what to change.
// It stands in the Err field of a [*net.OpError].
type BindError struct {
	// Verdict names the port, the cause, the condition that failed and the
	// remedy.
	diagnose.Verdict
	// Facts is what the verdict rests on, as it was after the failure.
	Facts diagnose.Facts
	// Err is the original error, an [*os.SyscallError] that wraps EACCES.
	Err error
}

// Error returns one line: the original error, which condition failed, and the
// remedy.
func (e *BindError) Error() string { return e.Err.Error() + ": " + e.String() }

// Unwrap returns the original error.
func (e *BindError) Unwrap() error { return e.Err }

// RaiseError says that a capability could not be raised or lowered on a thread.
type RaiseError struct {
	Cap capset.Cap
	// Op is "raise" or "lower". After "lower" the thread has ended.
	Op string
	// Err is EPERM from capset(2), also where the capability is not permitted,
	// or [errors.ErrUnsupported] off Linux.
	Err error
}

// Error returns one line.
func (e *RaiseError) Error() string {
	return fmt.Sprintf("%s %s on this thread: %v", e.Op, e.Cap, e.Err)
}

// Unwrap returns the kernel's error.
func (e *RaiseError) Unwrap() error { return e.Err }
