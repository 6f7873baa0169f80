package capwise_test

import (
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
	"github.com/capwise/capwise/internal/need"
)

// cannotLowerRole makes the second capset(2), the lowering, fail.
func cannotLowerRole([]string) any {
	if err := kerneltest.RefuseFrom(2, syscall.SYS_CAPSET, syscall.EPERM); err != nil {
		return report{Err: err.Error()}
	}
	r := reportOf(listen("tcp", ":80"))
	if ln, err := net.Listen("tcp", ":1024"); err != nil { // the process goes on
		r.Err = err.Error()
	} else if err := ln.Close(); err != nil {
		r.Err = err.Error()
	}
	return r
}

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
		"never, permitted":   func() bool { return errors.Is(capwise.Do(capset.NetRaw, capwise.Never, raw), syscall.EPERM) },
		"require, not permitted": func() bool {
			return errors.Is(capwise.Do(capset.IPCLock, capwise.Require, mark), syscall.EPERM) && !called
		},
		"prefer, not permitted": func() bool { return capwise.Do(capset.IPCLock, capwise.Prefer, mark) == nil && called },
		"the error of fn itself": func() bool {
			return errors.Is(capwise.Do(capset.NetRaw, capwise.Require, func() error { return stop }), stop)
		},
		"a panic in fn": func() bool {
			return panicOf(func() { _ = capwise.Do(capset.NetRaw, capwise.Require, func() error { panic("stop") }) }) == "stop"
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

func doCannotLowerRole([]string) any {
	if err := kerneltest.RefuseFrom(2, syscall.SYS_CAPSET, syscall.EPERM); err != nil {
		return report{Err: err.Error()}
	}
	called := false
	r := reportOf(capwise.Do(capset.NetBindService, capwise.Require, func() error {
		called = true
		return nil
	}))
	r.Called = called
	return r
}

func TestCannotLower(t *testing.T) {
	for _, role := range []string{"cannot-lower", "do-cannot-low"} {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, role, &r)
		if !r.Lower || !strings.Contains(r.Err, "lower cap_net_bind_service on this thread: operation not permitted") {
			t.Errorf("%s: got %+v, want to be told of the failed lowering", role, r)
		}
		if role == "do-cannot-low" && !r.Called {
			t.Errorf("%s: the function was not called", role)
		}
		if r.Left != 0 {
			t.Errorf("%s: a thread with the capability is still there", role)
		}
	}
}
