package capwise_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/kerneltest"
)

func TestBindErrorCauses(t *testing.T) {
	for _, tc := range []struct {
		cause diagnose.Cause
		says  string
		child kerneltest.Child
	}{
		{
			diagnose.NotInBoundingSet, "CAP_NET_BIND_SERVICE is not in the bounding set",
			kerneltest.Child{FileCaps: bindService, EmptyBounding: true},
		},
		{
			diagnose.NotInBoundingSet, "CAP_NET_BIND_SERVICE is not in the bounding set",
			kerneltest.Child{Root: true, EmptyBounding: true},
		},
		{
			diagnose.NoFileCapability, "carries no file capability",
			kerneltest.Child{},
		},
		{
			diagnose.NoFileCapability, "carries no file capability",
			kerneltest.Child{FileCaps: "cap_net_raw=p"},
		},
		{
			diagnose.LostToNoNewPrivs, "lost to no_new_privs",
			kerneltest.Child{FileCaps: bindService, NoNewPrivs: true},
		},
		{
			diagnose.LostToNoNewPrivs, "sh started it without",
			kerneltest.Child{FileCaps: bindService, NoNewPrivs: true, Shell: true},
		},
		{
			diagnose.NosuidMount, "is on a nosuid mount",
			kerneltest.Child{FileCaps: bindService, Nosuid: true},
		},
		{
			diagnose.ForeignFileCapability, "counts in another user namespace only",
			kerneltest.Child{FileCaps: bindService, RootID: 100000},
		},
		{
			// Here nothing that the file carries would help.
			diagnose.ForeignNetwork, "the network namespace belongs to another user namespace",
			kerneltest.Child{FileCaps: bindService, RootID: 100000, NewUser: true},
		},
		{
			diagnose.ForeignNetwork, "the network namespace belongs to another user namespace",
			kerneltest.Child{FileCaps: bindService, NewUser: true},
		},
	} {
		tc.child.PortStart = 1024
		for _, network := range []string{"tcp", "udp"} {
			var r report
			tc.child.Run(t, "listen", &r, network, ":80")
			checkBindError(t, r, tc.cause, tc.says)
		}
	}
}

// checkBindError holds a report against what every BindError promises.
func checkBindError(t *testing.T, r report, cause diagnose.Cause, says string) {
	t.Helper()
	if r.Cause != cause || !strings.Contains(r.Err, says) {
		t.Errorf("got %+v\nwant cause %s and the words %q", r, cause, says)
	}
	if !r.Eacces || !r.Perm || !r.Op || !r.Call || r.Remedy == "" || strings.Contains(r.Err, "\n") {
		t.Errorf("got %+v\nwant one line that is EACCES, ErrPermission, OpError and SyscallError, with a remedy", r)
	}
	if !strings.Contains(r.Err, "bind: permission denied") || !strings.Contains(r.Err, ":80") {
		t.Errorf("%q does not hold the text of package net", r.Err)
	}
	if r.Left != 0 {
		t.Errorf("%d threads were left with a capability", r.Left)
	}
}

// givenUpRole listens where the permitted capability was dropped.
func givenUpRole([]string) any {
	return reportOf(kerneltest.OnDroppedThread(func() error { return listen("tcp", ":80") }))
}

func TestGivenUp(t *testing.T) {
	var r report
	kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "given-up", &r)
	checkBindError(t, r, diagnose.GivenUp, "this process gave it up")
}

// refusedRole lets a seccomp filter answer a system call with an error number.
func refusedRole(args []string) any {
	number, _ := strconv.Atoi(args[0])
	errno, _ := strconv.Atoi(args[1])
	if err := kerneltest.Refuse(uintptr(number), syscall.Errno(errno)); err != nil {
		return report{Err: err.Error()}
	}
	return reportOf(listen("tcp", args[2]))
}

func TestSeccomp(t *testing.T) {
	child := kerneltest.Child{FileCaps: bindService, PortStart: 1024}
	refuse := func(call uintptr, errno syscall.Errno, address string) report {
		var r report
		child.Run(t, "refused", &r, fmt.Sprint(call), fmt.Sprint(int(errno)), address)
		return r
	}
	const words = "a seccomp filter, a security module or a BPF program refused"
	checkBindError(t, refuse(syscall.SYS_BIND, syscall.EACCES, ":80"), diagnose.Blocked, words)
	checkBindError(t, refuse(syscall.SYS_CAPSET, syscall.EPERM, ":80"), diagnose.Blocked, words)

	r := refuse(syscall.SYS_BIND, syscall.EACCES, ":8080")
	checkBindError(t, r, diagnose.Blocked, "port 8080 needs no capability here")

	// Another error number is not about capabilities and stays itself.
	if r := refuse(syscall.SYS_BIND, syscall.EPERM, ":80"); r.Cause != "" || !strings.HasSuffix(r.Err, "bind: operation not permitted") {
		t.Errorf("EPERM: got %+v, want the plain error", r)
	}
}

// unixRole listens on a Unix socket in a folder of root's.
func unixRole([]string) any {
	var err error
	most := watch(func() { _, err = capwise.Listen("unix", "/etc/capwise-test-socket") })
	r := reportOf(err)
	r.Most = most
	return r
}

// TestUnixSocket holds that EACCES of a socket without a port is not taken for a
// missing capability, and that nothing is raised for it.
func TestUnixSocket(t *testing.T) {
	var r report
	kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "unix", &r)
	if !r.Eacces || r.Cause != "" || r.Remedy != "" || r.Most != 0 || !strings.HasSuffix(r.Err, "bind: permission denied") {
		t.Errorf("got %+v, want the plain error", r)
	}
}

// controlRefusesRole has a Control function that fails with EACCES itself.
func controlRefusesRole(args []string) any {
	refusal := map[string]error{"plain": syscall.EACCES, "call": os.NewSyscallError("setsockopt", syscall.EACCES)}[args[0]]
	lc := capwise.ListenConfig{Control: func(string, string, syscall.RawConn) error { return refusal }}
	var err error
	most := watch(func() { _, err = lc.Listen(context.Background(), "tcp", ":80") })
	r := reportOf(err)
	r.Most = most
	return r
}

// TestControlRefuses holds that EACCES of anything but bind(2) stays itself.
func TestControlRefuses(t *testing.T) {
	for _, how := range []string{"plain", "call"} {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "control-refuses", &r, how)
		if !r.Eacces || r.Cause != "" || r.Remedy != "" || r.Most != 0 || !strings.HasSuffix(r.Err, "permission denied") {
			t.Errorf("%s: got %+v, want the plain error", how, r)
		}
	}
}
