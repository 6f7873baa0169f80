package capwise

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/printable"
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
// remedy. What is not printable in the names of files and processes is escaped.
func (e *BindError) Error() string { return printable.Line(e.Err.Error() + ": " + e.String()) }

// Unwrap returns the original error.
func (e *BindError) Unwrap() error { return e.Err }

// RaiseError says that a capability could not be raised or lowered on a thread.
type RaiseError struct {
	Cap capset.Cap
	// Op is "raise" or "lower". "lower" comes from a thread of this package's
	// own, which has ended: nothing of the caller's runs with the capability. On
	// the caller's thread, which cannot be ended, a lowering that fails ends the
	// process, and there is no error; see [Do].
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

// PanicError is what [Do], and Listen for a Control function, panic with where
// the function ran on another goroutine, as it does under a seccomp filter, and
// panicked there. Where it ran on the caller's, the panic is its own.
type PanicError struct {
	// Value is what the function panicked with.
	Value any
	// Stack is the stack of the function's goroutine, as [debug.Stack] has it.
	Stack []byte
	// Lowering is the [*RaiseError] of a lowering that failed as well, or nil.
	Lowering error
}

// Error returns the value, and the stack below it, since it is what the runtime
// prints of a panic that nobody recovers.
func (e *PanicError) Error() string {
	text := fmt.Sprintf("%v [recovered on the goroutine of package capwise]\n\n%s", e.Value, e.Stack)
	if e.Lowering != nil {
		text = e.Lowering.Error() + ", after a panic: " + text
	}
	return text
}

// Unwrap returns the value, if it is an error, and the failed lowering.
func (e *PanicError) Unwrap() []error {
	var errs []error
	if err, ok := e.Value.(error); ok {
		errs = append(errs, err)
	}
	if e.Lowering != nil {
		errs = append(errs, e.Lowering)
	}
	return errs
}
