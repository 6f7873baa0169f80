package capwise

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// thread is an OS thread to which its goroutine is locked, and the capability
// that may be raised on it.
type thread struct {
	cap    capset.Cap
	id     int // gettid(2)
	raised bool
}

// locks is how often a goroutine is locked to its thread. Once would do, if
// foreign code could not call [runtime.UnlockOSThread] once more often than
// LockOSThread: the goroutine would leave the thread, raised, to any other. The
// runtime only counts, and does not tell the count; so the other locks are there
// to be lost. All of them cost a hundredth of a raised bind.
const locks = 64

// lockThread locks the goroutine to its thread.
func lockThread(c capset.Cap) *thread {
	for range locks {
		runtime.LockOSThread()
	}
	return &thread{cap: c, id: sys.Gettid()}
}

// unlock undoes lockThread. A lock that foreign code has undone is one of its
// own then, as it would be without this package.
func (t *thread) unlock() {
	for range locks {
		runtime.UnlockOSThread()
	}
}

// onThread calls fn on an OS thread on which no other goroutine runs meanwhile,
// and lowers what fn left raised.
//
// capset(2) never refuses to lower, so only a seccomp filter (or a kernel
// without memory) can make a lowering fail. Without a filter the caller's own
// thread will do, which is fast; if fn loads a filter that refuses to lower, the
// process ends. With one, the work is done on a thread that can be ended at
// once, and the error is the [*RaiseError] of a lowering that failed; unless the
// caller is locked to a thread that has joined another network namespace than
// the rest of the process, in which its sockets belong.
func onThread(c capset.Cap, fn func(*thread)) error {
	if mode, err := sys.SeccompMode(); err == nil && mode == 0 {
		onOwnThread(c, fn)
		return nil
	}
	home := sys.NetworkNamespace()
	elsewhere := false
	err := onEndableThread(c, func(t *thread) {
		if elsewhere = sys.NetworkNamespace() != home; !elsewhere {
			fn(t)
		}
	})
	if elsewhere {
		onOwnThread(c, fn)
		return nil
	}
	return err
}

// onOwnThread is onThread on the caller's thread. The caller would go on there
// with the capability effective if lowering fails; so the process ends.
func onOwnThread(c capset.Cap, fn func(*thread)) {
	t := lockThread(c)
	defer func() {
		if err := t.lower(); err != nil {
			if v := recover(); v != nil {
				err = fmt.Errorf("%w, after a panic: %v", err, v)
			}
			t.die(err)
		}
		t.unlock()
	}()
	fn(t)
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
	case e.panicked != nil:
		panic(e.panicked)
	}
	return e.lowering
}

// ending is how a call of onEndableThread's function came to its end.
type ending struct {
	lowering error
	panicked *PanicError
	goexit   bool
}

// runLocked is the goroutine of onEndableThread.
func runLocked(c capset.Cap, fn func(*thread), end chan<- ending) {
	t := lockThread(c)
	if t.id == sys.Getpid() {
		// Holding the first thread, so that the next goroutine gets another.
		defer t.unlock()
		next := make(chan ending, 1)
		go runLocked(c, fn, next)
		end <- <-next
		return
	}
	e := ending{goexit: true}
	defer func() {
		if e.goexit { // neither returned nor, so far, known to have panicked
			if v := recover(); v != nil {
				e = ending{panicked: &PanicError{Value: v, Stack: debug.Stack()}}
			}
		}
		if e.lowering = t.lower(); e.lowering == nil {
			t.unlock()
		}
		if e.panicked != nil {
			e.panicked.Lowering = e.lowering
		}
		end <- e
	}()
	fn(t)
	e.goexit = false
}

// errStrayed says that nothing can be raised: on another thread the goroutine
// would not be locked, or could not be ended.
var errStrayed = errors.New("the goroutine has left its thread, since runtime.UnlockOSThread was called more often than LockOSThread")

// raise makes the capability effective on the thread, unless it is already.
// The error is a [*RaiseError]; EPERM where it is not permitted. Package aware
// tells a program that raises its capabilities by this function's name.
//
// It locks the goroutine once more, until lower: foreign code before it may have
// undone the other locks, and come back to the thread by chance.
func (t *thread) raise() error {
	runtime.LockOSThread()
	raised, err := false, errStrayed
	if sys.Gettid() == t.id {
		raised, err = sys.Raise(uint64(capset.Of(t.cap)))
	}
	if raised {
		t.raised = true
		return nil
	}
	runtime.UnlockOSThread()
	if err != nil {
		return &RaiseError{t.cap, "raise", err}
	}
	return nil
}

// lower undoes raise. What else became of the thread's sets meanwhile stays. If
// it fails, the goroutine is locked to the thread once more, for good.
//
// A goroutine that has left its thread cannot lower it from another one, since
// capset(2) changes no thread but the one that calls it; and there any goroutine
// may run by now. So the process ends.
func (t *thread) lower() error {
	if !t.raised {
		return nil
	}
	runtime.LockOSThread()
	if sys.Gettid() != t.id {
		t.die(errStrayed)
	}
	if err := sys.Lower(uint64(capset.Of(t.cap))); err != nil {
		return &RaiseError{t.cap, "lower", err}
	}
	t.raised = false
	runtime.UnlockOSThread()
	runtime.UnlockOSThread() // of raise
	return nil
}

// die ends the process because the thread keeps the capability. The stack
// is that of the goroutine, also of a panic that is on its way.
func (t *thread) die(why error) {
	sys.Die(fmt.Sprintf("capwise: %s cannot be lowered again, and nothing may run with it: %v\n\n%s",
		strings.ToUpper(t.cap.String()), why, debug.Stack()))
}
