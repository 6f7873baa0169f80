package launch

import (
	"errors"
	"syscall"
)

// Exit codes of a launcher, as env(1), chroot(1) and nohup(1) have them. Every
// other is the program's.
const (
	ExitFailed   = 125 // the launcher's own failure
	ExitCannot   = 126 // the program was found and cannot be executed
	ExitNotFound = 127 // the program was not found
)

// Error says why a program was not started.
type Error struct {
	Code int    // the exit code
	Path string // the program; "" if it did not come to that
	Err  error
}

// Error returns one line.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func failed(path string, err error) *Error { return &Error{ExitFailed, path, err} }

// notExecuted words the answer of execve(2).
func notExecuted(path string, err error) *Error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return &Error{ExitNotFound, path, err}
	case errors.Is(err, syscall.EPERM):
		return &Error{ExitCannot, path, errors.New("operation not permitted; a file with the effective bit of file capabilities (+ep) does not start without all of them")}
	default:
		return &Error{ExitCannot, path, err}
	}
}
