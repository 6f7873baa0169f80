package capwise

import "github.com/capwise/capwise/capset"

// Need says how much a piece of work depends on a capability.
type Need int

const (
	// Require says that the work is not done without the capability.
	Require Need = iota
	// Prefer says that the capability is raised where it is permitted, and that
	// the work is done in any case.
	Prefer
	// Never says that the work is done without raising anything.
	Never
)

// String returns "require", "prefer" or "never".
func (n Need) String() string {
	switch n {
	case Require:
		return "require"
	case Prefer:
		return "prefer"
	default:
		return "never"
	}
}

// Do calls fn on an OS thread on which c is effective, and lowers c again
// before it returns. Only that thread has it, only during fn, and no other
// goroutine runs on it meanwhile.
//
//   - [Require]: if c cannot be raised, fn is not called and the error is a
//     [*RaiseError], for which errors.Is(err, syscall.EPERM) and
//     errors.Is(err, fs.ErrPermission) hold.
//   - [Prefer]: if c cannot be raised, fn is called without it.
//   - [Never]: fn is called, as it were, by the caller.
//
// A capability that is effective already is neither raised nor lowered.
//
// fn must do the privileged work itself: goroutines that it starts run on
// other threads. It may run on another goroutine than the caller's, yet a panic
// or [runtime.Goexit] in it reaches the caller of Do, after c was lowered.
//
// Do returns the error of fn. If lowering fails, which takes a seccomp filter
// that refuses it, the thread ends and is never used again, and the error wraps
// a [*RaiseError] with Op "lower" beside that of fn.
func Do(c capset.Cap, need Need, fn func() error) error {
	if need == Never {
		return fn()
	}
	return do(c, need, fn)
}
