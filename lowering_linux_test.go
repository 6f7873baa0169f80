package capwise_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/kerneltest"
)

// refuseLowering lets the kernel refuse capset(2) from its nth call on.
func refuseLowering(n int) {
	if err := kerneltest.RefuseFrom(n, syscall.SYS_CAPSET, syscall.EPERM); err != nil {
		panic(err)
	}
}

// endings are the ways in which a function can end.
var endings = map[string]func() error{
	"return": func() error { return nil },
	"panic":  func() error { panic("stop") },
	"goexit": func() error { runtime.Goexit(); return nil },
}

// aftermath is what a role found after a function had ended in some way.
type aftermath struct {
	report
	Exited  bool   // the caller's goroutine was ended
	Panic   string // what the caller recovered
	Told    bool   // the panic or error wraps a RaiseError with Op "lower"
	Unbound bool   // a plain bind of a low port is refused on every thread
	Open    bool   // somebody listens on port 80
}

// after calls fn on a goroutine of its own and reports what became of that.
func after(fn func() error) aftermath {
	var a aftermath
	var err error
	a.Exited = exits(func() {
		defer func() {
			if v := recover(); v != nil {
				a.Panic = fmt.Sprint(v)
				err, _ = v.(error)
			}
		}()
		err = fn()
	})
	a.report = reportOf(err)
	a.Told = a.Lower
	a.Unbound = unbound()
	if c, err := net.Dial("tcp", "127.0.0.1:80"); err == nil {
		a.Open = c.Close() == nil
	}
	return a
}

// unbound reports whether goroutines on many threads are refused a low port.
func unbound() bool {
	refused := make(chan bool, 50)
	for i := range cap(refused) {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 100+i))
			if err == nil {
				err = ln.Close()
			}
			refused <- errors.Is(err, syscall.EACCES)
		}()
	}
	all := true
	for range cap(refused) {
		all = <-refused && all
	}
	return all
}

// loweringListenRole listens under a filter that refuses the second capset(2),
// the lowering.
func loweringListenRole([]string) any {
	refuseLowering(2)
	return after(func() error { return listen("tcp", ":80") })
}

// loweringDoRole is loweringListenRole for Do.
func loweringDoRole(args []string) any {
	refuseLowering(2)
	called := false
	a := after(func() error {
		return capwise.Do(capset.NetBindService, capwise.Require, func() error {
			called = true
			return endings[args[0]]()
		})
	})
	a.Called = called
	return a
}

// TestCannotLower is about a lowering that is refused on a thread that can be
// ended: the caller is told, and nothing has the capability.
func TestCannotLower(t *testing.T) {
	child := kerneltest.Child{FileCaps: bindService, PortStart: 1024}
	const words = "lower cap_net_bind_service on this thread: operation not permitted"
	var a aftermath
	child.Run(t, "lowering-listen", &a)
	if !a.Told || !strings.Contains(a.Err, words) || a.Open || a.Left != 0 || !a.Unbound {
		t.Errorf("Listen: got %+v, want to be told of the failed lowering, and no thread with the capability", a)
	}
	for ending := range endings {
		var a aftermath
		child.Run(t, "lowering-do", &a, ending)
		if !a.Called || a.Left != 0 || !a.Unbound {
			t.Errorf("Do, %s: got %+v, want a call, and no thread with the capability", ending, a)
		}
		if a.Exited != (ending == "goexit") || a.Told == (ending == "goexit") {
			t.Errorf("Do, %s: got %+v, want the caller to be told unless it ends", ending, a)
		}
		if ending == "panic" && (!strings.Contains(a.Panic, words) || !strings.Contains(a.Panic, "stop") || !strings.Contains(a.Panic, "lowering_linux_test.go")) {
			t.Errorf("Do, panic: got %q, want the value, its stack and the failed lowering", a.Panic)
		}
	}
}

// survive runs fn so that nothing but the end of the process keeps it from
// printing: its panics are recovered, and deferred functions run.
func survive(fn func()) any {
	defer fmt.Println("a deferred function runs")
	exits(func() {
		defer func() { _ = recover() }()
		fn()
	})
	return "alive"
}

// loweringOwnListenRole loads the filter in Control, when the caller's own thread
// has been chosen.
func loweringOwnListenRole([]string) any {
	calls := 0
	lc := capwise.ListenConfig{Control: func(string, string, syscall.RawConn) error {
		if calls++; calls == refusedAttempts+1 {
			refuseLowering(2)
		}
		return nil
	}}
	lc.SetMultipathTCP(false)
	return survive(func() { _, _ = lc.Listen(context.Background(), "tcp", ":80") })
}

// loweringOwnDoRole loads the filter in fn.
func loweringOwnDoRole(args []string) any {
	return survive(func() {
		_ = capwise.Do(capset.NetBindService, capwise.Require, func() error {
			refuseLowering(1)
			return endings[args[0]]()
		})
	})
}

// loweringOwnNetworkRole has the filter from the start, but is locked to a
// thread in another network namespace.
func loweringOwnNetworkRole(args []string) any {
	return survive(func() {
		err := kerneltest.OnOwnNetwork(func() error {
			refuseLowering(2)
			if args[0] == "listen" {
				return listen("tcp", ":80")
			}
			return capwise.Do(capset.NetBindService, capwise.Require, endings[args[0]])
		})
		fmt.Println(err)
	})
}

// TestCannotLowerOwnThread is about a lowering that is refused on the thread on
// which the caller would go on: the process ends, before the caller runs again.
func TestCannotLowerOwnThread(t *testing.T) {
	const words = "capwise: CAP_NET_BIND_SERVICE cannot be lowered again, and nothing may run with it: "
	for _, tc := range []struct{ role, arg, caps, stack string }{
		{"lowering-own-listen", "", bindService, "loweringOwnListenRole"},
		{"lowering-own-do", "return", bindService, "loweringOwnDoRole"},
		{"lowering-own-do", "panic", bindService, "after a panic: stop"},
		{"lowering-own-do", "goexit", bindService, "runtime.Goexit"},
		{"lowering-own-network", "listen", "cap_net_bind_service,cap_sys_admin=p", "loweringOwnNetworkRole"},
		{"lowering-own-network", "return", "cap_net_bind_service,cap_sys_admin=p", "loweringOwnNetworkRole"},
		{"lowering-own-network", "panic", "cap_net_bind_service,cap_sys_admin=p", "lowering_linux_test.go"},
	} {
		stderr := kerneltest.Child{FileCaps: tc.caps, PortStart: 1024}.Dies(t, tc.role, 2, tc.arg)
		if !strings.HasPrefix(stderr, words) || !strings.Contains(stderr, "operation not permitted") || !strings.Contains(stderr, tc.stack) {
			t.Errorf("%s %s: got\n%s\nwant it to begin with %q, and %q", tc.role, tc.arg, stderr, words, tc.stack)
		}
	}
}

// unlock calls UnlockOSThread too often, and gives the runtime reason to move the
// goroutine: it blocks in system calls while others want its processor. It
// reports whether the goroutine was moved.
func unlock(times int) bool {
	tid := syscall.Gettid()
	for range times {
		runtime.UnlockOSThread()
	}
	stop := make(chan struct{})
	defer close(stop)
	for range 8 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	patience := 10
	if times > 1 { // it is to be moved, which takes its time where the machine is busy
		patience = 100
	}
	for range patience {
		if err := syscall.Nanosleep(&syscall.Timespec{Nsec: 30e6}, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			panic(err)
		}
		if syscall.Gettid() != tid {
			return true
		}
	}
	return false
}

// unlockDoRole calls UnlockOSThread once too often in fn, and ends in some way.
func unlockDoRole(args []string) any {
	underFilter()
	return after(func() error {
		return capwise.Do(capset.NetBindService, capwise.Require, func() error {
			if unlock(1) {
				return errors.New("fn has left its thread")
			}
			return endings[args[0]]()
		})
	})
}

// unlockListenRole calls UnlockOSThread too often in Control.
func unlockListenRole([]string) any { return listenUnlocking(1) }

// listenUnlocking listens, with a Control that calls UnlockOSThread n times.
func listenUnlocking(n int) any {
	underFilter()
	lc := capwise.ListenConfig{Control: func(string, string, syscall.RawConn) error {
		unlock(n)
		return nil
	}}
	return after(func() error {
		ln, err := lc.Listen(context.Background(), "tcp", ":80")
		if err != nil {
			return err
		}
		return ln.Close()
	})
}

func TestUnlockOnceTooOften(t *testing.T) {
	for name, env := range filters {
		child := kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}
		for ending := range endings {
			var a aftermath
			child.Run(t, "unlock-do", &a, ending)
			if a.Err != "" && ending != "panic" || a.Exited != (ending == "goexit") || a.Left != 0 || !a.Unbound {
				t.Errorf("%s: Do, %s: got %+v, want fn to stay on its thread, and no thread with the capability", name, ending, a)
			}
		}
		var a aftermath
		child.Run(t, "unlock-listen", &a)
		if a.Err != "" || a.Left != 0 || !a.Unbound {
			t.Errorf("%s: Listen: got %+v, want no error and no thread with the capability", name, a)
		}
	}
}

// unlockStrayRole undoes every lock in fn, and goes on on another thread.
func unlockStrayRole([]string) any {
	underFilter()
	return survive(func() {
		err := capwise.Do(capset.NetBindService, capwise.Require, func() error {
			if !unlock(1000) {
				fmt.Println("fn was not moved to another thread")
			}
			return nil
		})
		fmt.Println(err)
	})
}

// unlockStrayListenRole undoes every lock in Control, before anything is raised.
func unlockStrayListenRole([]string) any { return listenUnlocking(1000) }

// TestUnlockFarTooOften is about a goroutine that leaves its thread: what is
// raised then ends the process, and what is not is never raised.
func TestUnlockFarTooOften(t *testing.T) {
	for name, env := range filters {
		child := kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}
		stderr := child.Dies(t, "unlock-stray", 2)
		if !strings.HasPrefix(stderr, "capwise: CAP_NET_BIND_SERVICE cannot be lowered again") || !strings.Contains(stderr, "runtime.UnlockOSThread was called more often") {
			t.Errorf("%s: got\n%s", name, stderr)
		}
		strayed := false
		for range 10 { // it may have come back by chance, and works then
			var a aftermath
			child.Run(t, "unlock-stray-listen", &a)
			strayed = strings.Contains(a.Err, "raise cap_net_bind_service on this thread: the goroutine has left its thread")
			if a.Err != "" && !strayed || a.Left != 0 || !a.Unbound {
				t.Errorf("%s: Listen: got %+v, want nothing raised, or only while it was", name, a)
			}
			if strayed {
				break
			}
		}
		if !strayed {
			t.Errorf("%s: Listen: the goroutine was never found elsewhere", name)
		}
	}
}

// locked reports whether the calling goroutine is locked to its thread.
func locked() bool {
	buf := make([]byte, 200)
	header, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), "\n")
	return strings.Contains(header, "locked to thread")
}

// locksRole reports after which call the goroutine is locked to its thread and
// was not before, or the other way round.
func locksRole([]string) any {
	underFilter()
	for name, call := range map[string]func(){
		"Listen":     func() { _ = listen("tcp", ":80") },
		"no bind":    func() { _ = listen("tcp", "192.0.2.1:80") },
		"raised":     func() { _ = capwise.Do(capset.NetBindService, capwise.Require, endings["return"]) },
		"not raised": func() { _ = capwise.Do(capset.IPCLock, capwise.Prefer, endings["return"]) },
		"nested": func() {
			_ = capwise.Do(capset.NetBindService, capwise.Require, func() error {
				return capwise.Do(capset.NetBindService, capwise.Require, endings["return"])
			})
		},
		"panic": func() {
			_ = panicOf(func() { _ = capwise.Do(capset.NetBindService, capwise.Require, endings["panic"]) })
		},
	} {
		for before := range 3 {
			for range before {
				runtime.LockOSThread()
			}
			call()
			for range before {
				if !locked() {
					return name + ": the caller's own lock is gone"
				}
				runtime.UnlockOSThread()
			}
			if locked() {
				return name + ": the caller stays locked to its thread"
			}
		}
	}
	return ""
}

// TestLocksBalance holds that the caller is locked to its thread as it was.
func TestLocksBalance(t *testing.T) {
	for name, env := range filters {
		var wrong string
		kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}.Run(t, "locks", &wrong)
		if wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// tracebackRole dies of a panic in fn.
func tracebackRole([]string) any {
	underFilter()
	_ = capwise.Do(capset.NetBindService, capwise.Prefer, panicDeepInside)
	fmt.Println("alive")
	return nil
}

//go:noinline
func panicDeepInside() error { panic("stop") }

// TestPanicKeepsItsStack holds that what the runtime prints of a panic in fn shows
// where it was, on whatever thread fn ran.
func TestPanicKeepsItsStack(t *testing.T) {
	for name, env := range filters {
		// Where AT_SECURE is set, the runtime prints no stacks.
		stderr := kerneltest.Child{Env: env}.Dies(t, "traceback", 2)
		for _, want := range []string{"panic: stop", "panicDeepInside", "tracebackRole"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: got\n%s\nwant %q in it", name, stderr, want)
			}
		}
	}
}
