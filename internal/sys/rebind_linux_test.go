package sys_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/sys"
)

const netBindService = 1 << 10

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{"rebind": rebindRole, "demote": demoteRole, "lower": lowerRole})
}

// rebound is what Rebind did, and what the process has afterwards.
type rebound struct {
	Err    string
	Failed bool // the first result says so
	Bound  bool // the socket has the port
	Left   int
}

// rebindRole calls Rebind for port 80: of an IP socket, with a wrong length, or
// as a Unix socket.
func rebindRole(args []string) any {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return rebound{Err: err.Error()}
	}
	var address [128]byte
	binary.NativeEndian.PutUint16(address[:], syscall.AF_INET)
	binary.BigEndian.PutUint16(address[2:], 80)
	length := uintptr(16)
	switch args[0] {
	case "short":
		length = 1
	case "long":
		length = 129
	case "whole":
		length = 128
	case "unix":
		binary.NativeEndian.PutUint16(address[:], syscall.AF_UNIX)
	case "cannot lower":
		if err := kerneltest.RefuseFrom(2, syscall.SYS_CAPSET, syscall.EPERM); err != nil {
			return rebound{Err: err.Error()}
		}
	case "cannot raise":
		if err := kerneltest.Refuse(syscall.SYS_CAPSET, syscall.EPERM); err != nil {
			return rebound{Err: err.Error()}
		}
	}
	runtime.LockOSThread() // the caller's own lock, which has to stay
	r1, _, errno := sys.Rebind(uintptr(fd), unsafe.Pointer(&address), length)
	r := rebound{Failed: r1 == ^uintptr(0)}
	header := make([]byte, 100)
	if !strings.Contains(string(header[:runtime.Stack(header, false)]), "locked to thread") {
		return rebound{Err: "the caller's lock is gone"}
	}
	if errno != 0 {
		r.Err = errno.Error()
	}
	if name, err := syscall.Getsockname(fd); err == nil {
		in, ok := name.(*syscall.SockaddrInet4)
		r.Bound = ok && in.Port == 80
	}
	found, err := kerneltest.Effective()
	if err != nil {
		r.Err = err.Error()
	}
	r.Left = len(found)
	return r
}

// TestRebind holds when a bind is made again with the capability, and that it is
// gone afterwards. Package overlay tests it behind real binds.
func TestRebind(t *testing.T) {
	const caps = "cap_net_bind_service=p"
	for _, tc := range []struct {
		what, caps string
		bound      bool
	}{
		{"ip", caps, true},
		{"whole", caps, true},
		{"ip", "", false},
		{"ip", "cap_net_raw=p", false},
		{"short", caps, false},
		{"long", caps, false},
		{"unix", caps, false},
		{"cannot raise", caps, false},
	} {
		var r rebound
		kerneltest.Child{FileCaps: tc.caps, PortStart: 1024}.Run(t, "rebind", &r, tc.what)
		want := rebound{Err: "permission denied", Failed: true}
		if tc.bound {
			want = rebound{Bound: true}
		}
		if r != want {
			t.Errorf("%s, file %q: got %+v, want %+v", tc.what, tc.caps, r, want)
		}
	}
	stderr := kerneltest.Child{FileCaps: caps, PortStart: 1024}.Dies(t, "rebind", 2, "cannot lower")
	if want := "capwise: CAP_NET_BIND_SERVICE cannot be lowered again, and nothing may run with it: operation not permitted\n"; stderr != want {
		t.Errorf("got %q, want %q", stderr, want)
	}
	// What is effective already, the kernel has refused for another reason.
	var r rebound
	kerneltest.Child{FileCaps: "cap_net_bind_service=ep", PortStart: 1024}.Run(t, "rebind", &r, "ip")
	if r.Err != "permission denied" || r.Bound || r.Left == 0 {
		t.Errorf("effective already: got %+v, want EACCES, and the capability as it was", r)
	}
}

// demoteRole demotes, and says what is left.
func demoteRole([]string) any {
	if err := sys.Demote(); err != nil {
		return err.Error()
	}
	sets, err := sys.Capget()
	ambient, _ := sys.InAmbientSet(10) // which every kernel knows
	return fmt.Sprintf("%#x %#x %#x %t %v", sets.Permitted, sets.Effective, sets.Inheritable, ambient, err)
}

func TestDemote(t *testing.T) {
	for _, tc := range []struct {
		child kerneltest.Child
		want  string // permitted, effective, inheritable, ambient
	}{
		{kerneltest.Child{Ambient: []uintptr{10}}, "0x400 0x0 0x0 false <nil>"},
		{kerneltest.Child{Ambient: []uintptr{13}}, "0x2000 0x2000 0x2000 false <nil>"},
		{kerneltest.Child{Ambient: []uintptr{10, 13}}, "0x2400 0x2000 0x2000 false <nil>"},
		{kerneltest.Child{FileCaps: "cap_net_bind_service,cap_net_raw=ep"}, "0x2400 0x2000 0x0 false <nil>"},
		{kerneltest.Child{FileCaps: "cap_net_bind_service=p"}, "0x400 0x0 0x0 false <nil>"},
		{kerneltest.Child{FileCaps: "cap_net_raw=ep"}, "0x2000 0x2000 0x0 false <nil>"},
		{kerneltest.Child{}, "0x0 0x0 0x0 false <nil>"},
	} {
		var got string
		tc.child.Run(t, "demote", &got)
		if got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.child, got, tc.want)
		}
	}
}

// lowerRole lowers one of two capabilities, and what is not raised.
func lowerRole([]string) any {
	var out []string
	note := func(err error) {
		sets, errGet := sys.Capget()
		out = append(out, fmt.Sprintf("%#x %v", sets.Effective, err))
		if errGet != nil {
			out = append(out, errGet.Error())
		}
	}
	raise := func(caps uint64) {
		raised, err := sys.Raise(caps)
		out = append(out, fmt.Sprint(raised))
		note(err)
	}
	raise(netBindService | 1<<13)
	raise(netBindService)
	note(sys.Lower(netBindService))
	note(sys.Lower(netBindService))
	raise(1 << 21)
	note(sys.Lower(1<<13 | 1<<21))
	return strings.Join(out, ", ")
}

func TestRaiseAndLower(t *testing.T) {
	var got string
	kerneltest.Child{FileCaps: "cap_net_bind_service,cap_net_raw=p"}.Run(t, "lower", &got)
	const want = "true, 0x2400 <nil>, false, 0x2400 <nil>, 0x2000 <nil>, 0x2000 <nil>, false, 0x2000 operation not permitted, 0x0 <nil>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
