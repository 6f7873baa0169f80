package capwise

import (
	"errors"
	"runtime"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// thread is an OS thread to which its goroutine is locked, and the capability
// that may be raised on it.
type thread struct {
	cap    capset.Cap
	raised bool
}

// onThread calls fn on an OS thread on which no other goroutine runs meanwhile,
// and lowers what fn left raised. Its error is the [*RaiseError] of a lowering
// that failed; that thread runs no other goroutine any more, and ends.
//
// capset(2) never refuses to lower, so only a seccomp filter (or a kernel
// without memory) can make a lowering fail. Without a filter the caller's own
// thread will do, which is fast. With one, the work is done on a thread that
// can be ended at once; unless the caller is locked to a thread that has joined
// another network namespace than the rest of the process, in which its sockets
// belong.
func onThread(c capset.Cap, fn func(*thread)) error {
	if mode, err := sys.SeccompMode(); err == nil && mode == 0 {
		return onOwnThread(c, fn)
	}
	home := sys.NetworkNamespace()
	elsewhere := false
	err := onEndableThread(c, func(t *thread) {
		if elsewhere = sys.NetworkNamespace() != home; !elsewhere {
			fn(t)
		}
	})
	if elsewhere {
		return onOwnThread(c, fn)
	}
	return err
}

// onOwnThread is onThread on the caller's thread. If lowering fails, the caller
// stays locked to the thread, which ends when the caller's goroutine does.
func onOwnThread(c capset.Cap, fn func(*thread)) (lowering error) {
	runtime.LockOSThread()
	t := &thread{cap: c}
	defer func() {
		if lowering = t.lower(); lowering == nil {
			runtime.UnlockOSThread()
		}
	}()
	fn(t)
	return nil
}

// onEndableThread is onThread on a goroutine of its own, locked to a thread
// that is not the first of the process. If lowering fails, the goroutine ends
// without unlocking the thread, which makes the runtime end the thread. A panic
// or Goexit in fn continues in the caller.
//
// The first thread is avoided because the runtime cannot end it: it would park
// it for good, with the capability effective.
func onEndableThread(c capset.Cap, fn func(*thread)) error {
	end := make(chan ending, 1)
	go runLocked(c, fn, end)
	e := <-end
	switch {
	case e.goexit:
		runtime.Goexit()
	case e.panicked:
		panic(e.panicValue)
	}
	return e.lowering
}

// ending is how a call of onEndableThread's function came to its end.
type ending struct {
	lowering   error
	panicked   bool
	panicValue any
	goexit     bool
}

// runLocked is the goroutine of onEndableThread.
func runLocked(c capset.Cap, fn func(*thread), end chan<- ending) {
	runtime.LockOSThread()
	if sys.Gettid() == sys.Getpid() {
		// Holding the first thread, so that the next goroutine gets another.
		defer runtime.UnlockOSThread()
		next := make(chan ending, 1)
		go runLocked(c, fn, next)
		end <- <-next
		return
	}
	t := &thread{cap: c}
	e := ending{goexit: true}
	defer func() {
		if e.goexit { // neither returned nor, so far, known to have panicked
			if v := recover(); v != nil {
				e = ending{panicked: true, panicValue: v}
			}
		}
		e.lowering = t.lower()
		if e.lowering == nil {
			runtime.UnlockOSThread()
		}
		end <- e
	}()
	fn(t)
	e.goexit = false
}

// raise makes the capability effective on the thread, unless it is already.
// The error is a [*RaiseError]; EPERM where it is not permitted.
func (t *thread) raise() error {
	raised, err := sys.Raise(uint64(capset.Of(t.cap)))
	if err != nil {
		return &RaiseError{t.cap, "raise", err}
	}
	t.raised = t.raised || raised
	return nil
}

// lower undoes raise. What else became of the thread's sets meanwhile stays.
func (t *thread) lower() error {
	if !t.raised {
		return nil
	}
	if err := sys.Lower(uint64(capset.Of(t.cap))); err != nil {
		return &RaiseError{t.cap, "lower", err}
	}
	t.raised = false
	return nil
}

// do is Do for Require and Prefer.
func do(c capset.Cap, need Need, fn func() error) error {
	var err error
	lowering := onThread(c, func(t *thread) {
		if err = t.raise(); err == nil || need == Prefer {
			err = fn()
		}
	})
	if lowering != nil {
		return errors.Join(lowering, err)
	}
	return err
}
