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
)

// String returns "require" or "prefer".
func (n Need) String() string {
	if n == Prefer {
		return "prefer"
	}
	return "require"
}

// Do calls fn on an OS thread on which c is effective, and lowers c again
// before it returns. Only that thread has it, only during fn, and no other
// goroutine runs on it meanwhile.
//
//   - [Require]: if c cannot be raised, fn is not called and the error is a
//     [*RaiseError], for which errors.Is(err, syscall.EPERM) and
//     errors.Is(err, fs.ErrPermission) hold.
//   - [Prefer]: if c cannot be raised, fn is called without it.
//
// A capability that is effective already is neither raised nor lowered.
//
// fn must do the privileged work itself: goroutines that it starts run on
// other threads. Under a seccomp filter it runs on another goroutine than the
// caller's, yet a panic or [runtime.Goexit] in it reaches the caller of Do, after
// c was lowered; the panic as a [*PanicError], which has its value and stack.
//
// Do returns the error of fn. Nothing of the caller's runs with c effective after
// it, in whatever way fn ends:
//
//   - Linux never refuses to lower a capability. A seccomp filter can. If one is
//     active when Do is called, fn runs on a thread of its own; if lowering fails,
//     that thread ends, and the error wraps a [*RaiseError] with Op "lower" beside
//     that of fn.
//   - If lowering fails on the caller's thread, the process ends at once, with a
//     message on standard error and exit code 2. fn runs there if no filter is
//     active when Do is called, or if the caller is locked to a thread in another
//     network namespace than the rest of the process.
//   - fn may call [runtime.UnlockOSThread] more often than LockOSThread and still
//     stays on its thread. Only if it does so more than 60 times, the goroutine
//     can leave the thread, on which others may run then; Do ends the process, as
//     above, when it finds itself on another thread.
func Do(c capset.Cap, need Need, fn func() error) error {
	return do(c, need, fn)
}
