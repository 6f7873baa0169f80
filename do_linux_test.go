package capwise_test

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

// doRole reports what Do does with a capability that the file carries
// (CAP_NET_BIND_SERVICE) and with one that it doesn't (CAP_NET_RAW).
func doRole([]string) any {
	underFilter()
	raw := func() error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
		if err != nil {
			return err
		}
		return syscall.Close(fd)
	}
	called := false
	mark := func() error { called = true; return nil }
	stop := errors.New("stop")
	for name, ok := range map[string]func() bool{
		"require, permitted": func() bool { return capwise.Do(capset.NetRaw, capwise.Require, raw) == nil },
		"prefer, permitted":  func() bool { return capwise.Do(capset.NetRaw, capwise.Prefer, raw) == nil },
		"require, not permitted": func() bool {
			return errors.Is(capwise.Do(capset.IPCLock, capwise.Require, mark), syscall.EPERM) && !called
		},
		"prefer, not permitted": func() bool { return capwise.Do(capset.IPCLock, capwise.Prefer, mark) == nil && called },
		"the error of fn itself": func() bool {
			return errors.Is(capwise.Do(capset.NetRaw, capwise.Require, func() error { return stop }), stop)
		},
		"a panic in fn": func() bool {
			v := panicOf(func() { _ = capwise.Do(capset.NetRaw, capwise.Require, func() error { panic("stop") }) })
			if p, ok := v.(*capwise.PanicError); ok {
				v = p.Value
			}
			return v == "stop"
		},
		"an error as a panic in fn": func() bool {
			v, ok := panicOf(func() { _ = capwise.Do(capset.NetRaw, capwise.Require, func() error { panic(stop) }) }).(error)
			return ok && errors.Is(v, stop)
		},
		"Goexit in fn": func() bool {
			return exits(func() { _ = capwise.Do(capset.NetRaw, capwise.Require, func() error { runtime.Goexit(); return nil }) })
		},
	} {
		called = false
		if !ok() {
			return report{Err: name}
		}
		if len(effective()) != 0 {
			return report{Err: name + ": left a thread with a capability"}
		}
	}
	return report{}
}

func panicOf(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}

// exits reports whether fn ends its goroutine.
func exits(fn func()) bool {
	returned := make(chan bool)
	go func() {
		back := false
		defer func() { returned <- back }()
		fn()
		back = true
	}()
	return !<-returned
}

func TestDo(t *testing.T) {
	for name, env := range filters {
		var r report
		kerneltest.Child{FileCaps: "cap_net_raw=p", Env: env}.Run(t, "do", &r)
		if r.Err != "" {
			t.Errorf("%s: Do: %s", name, r.Err)
		}
	}
}

// doVsockRole binds a port of an address family that package net does not know, as
// it is, and in Do.
func doVsockRole([]string) any {
	const port = 701
	if err := kerneltest.BindVsock(port); !errors.Is(err, syscall.EACCES) {
		return report{Err: fmt.Sprint("not in Do: ", err)}
	}
	return reportOf(capwise.Do(capset.NetBindService, capwise.Require, func() error { return kerneltest.BindVsock(port) }))
}

func TestDoVsock(t *testing.T) {
	need.Vsock(t)
	var r report
	kerneltest.Child{FileCaps: bindService}.Run(t, "do-vsock", &r)
	if r.Err != "" || r.Left != 0 {
		t.Errorf("got %+v, want no error and no thread with a capability", r)
	}
}
