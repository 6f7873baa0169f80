package capwise

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// thread is an OS thread to which its goroutine is locked, and the capability
// that may be raised on it.
type thread struct {
	cap    capset.Cap
	raised bool
}

// onThread calls fn on a goroutine that is locked to an OS thread for as long
// as fn runs, and that is not the first thread of the process. It lowers what
// fn left raised. If that fails, the goroutine ends without unlocking the
// thread, which makes the runtime end the thread, and onThread returns the
// [*RaiseError]. A panic or Goexit in fn continues in the caller.
//
// The first thread is avoided because it cannot be ended: the runtime would
// park it for good, with the capability effective.
func onThread(c capset.Cap, fn func(*thread)) error {
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

// ending is how a call of onThread's function came to its end.
type ending struct {
	lowering   error
	panicked   bool
	panicValue any
	goexit     bool
}

// runLocked is the goroutine of onThread.
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

// onOwnThread calls fn on the thread of the caller, for a caller who is locked
// to a thread that is unlike the others. It lowers what fn left raised. If that
// fails, the caller stays locked to the thread, which ends when the caller's
// goroutine does, and onOwnThread returns the [*RaiseError].
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

// raise makes the capability effective on the thread, unless it is already.
// The error is a [*RaiseError]; EPERM where it is not permitted.
func (t *thread) raise() error {
	sets, err := sys.Capget()
	if err != nil {
		return &RaiseError{t.cap, "raise", err}
	}
	bit := uint64(capset.Of(t.cap))
	switch {
	case sets.Effective&bit != 0:
		return nil
	case sets.Permitted&bit == 0:
		return &RaiseError{t.cap, "raise", syscall.EPERM}
	}
	sets.Effective |= bit
	if err := sys.Capset(sets); err != nil {
		return &RaiseError{t.cap, "raise", err}
	}
	t.raised = true
	return nil
}

// lower undoes raise. What else the thread's sets became meanwhile stays.
func (t *thread) lower() error {
	if !t.raised {
		return nil
	}
	sets, err := sys.Capget()
	if err == nil {
		sets.Effective &^= uint64(capset.Of(t.cap))
		err = sys.Capset(sets)
	}
	if err != nil {
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
