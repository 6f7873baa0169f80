//go:build injected

package injected

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

const bindService = "cap_net_bind_service=p"

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{
		"listen": listenRole, "many": manyRole, "call": callRole, "stack": stackRole, "vsock": vsockRole, "start": startRole,
		"lowering": loweringRole, "cannot-lower": cannotLowerRole, "given-up": givenUpRole, "refused": refusedRole, "shrinking": shrinkingRole, "filtered": filteredRole, "nothing": nothingRole,
	})
}

// report is what a role found out.
type report struct {
	Err  string // "" if it worked
	Want string // what package diagnose says
	// What holds for the error.
	Errno, Perm, Op, Call, OSPermission bool
	Left                                int // threads with an effective capability afterwards
}

func reportOf(err error, port int) report {
	var r report
	if err != nil {
		r.Err = err.Error()
		r.Want = diagnose.Explain(diagnose.Self(), port).String()
		r.Errno, r.Perm = errors.Is(err, syscall.EACCES), errors.Is(err, fs.ErrPermission)
		var op *net.OpError
		r.Op = errors.As(err, &op)
		call, ok := error(nil), false
		if r.Op {
			call, ok = op.Err, true
		}
		se, isCall := call.(*os.SyscallError)
		r.Call = ok && isCall && se.Syscall == "bind" && se.Err == syscall.EACCES
		r.OSPermission = os.IsPermission(call)
	}
	r.Left = left()
	return r
}

// left waits a moment for threads to end.
func left() int {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		found, err := kerneltest.Effective()
		if err != nil {
			panic(err)
		}
		if len(found) == 0 || time.Now().After(deadline) {
			return len(found)
		}
	}
}

func listen(network string, port int) error {
	address := fmt.Sprintf(":%d", port)
	if strings.HasPrefix(network, "udp") {
		pc, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		return pc.Close()
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	return ln.Close()
}

func listenRole(args []string) any { return reportOf(listen(args[0], 80), 80) }

func TestListen(t *testing.T) {
	for _, network := range []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"} {
		for _, c := range []kerneltest.Child{
			{FileCaps: bindService, PortStart: 1024},
			{FileCaps: bindService, PortStart: 81, Shell: true},
			{PortStart: 1024, Ambient: []uintptr{10}},
			{PortStart: 1024, Ambient: []uintptr{10}, NoNewPrivs: true},
			{PortStart: 80, EmptyBounding: true},
		} {
			var r report
			c.Run(t, "listen", &r, network)
			if r.Err != "" || r.Left != 0 {
				t.Errorf("%s %+v: got %+v, want no error and no thread with a capability", network, c, r)
			}
		}
	}
}

// TestWhy compares the injected words with the library's, for each cause.
func TestWhy(t *testing.T) {
	for _, c := range []kerneltest.Child{
		{FileCaps: bindService, EmptyBounding: true},
		{Root: true, EmptyBounding: true},
		{},
		{FileCaps: "cap_net_raw,cap_chown=p"},
		{FileCaps: bindService, NoNewPrivs: true},
		{FileCaps: bindService, NoNewPrivs: true, Shell: true},
		{FileCaps: "cap_net_bind_service=ep", NoNewPrivs: true, Env: []string{"container=podman"}},
		{FileCaps: bindService, Nosuid: true},
		{FileCaps: bindService, RootID: 100000},
		{FileCaps: bindService, RootID: 100000, NewUser: true},
		{FileCaps: bindService, NewUser: true, Env: []string{"KUBERNETES_SERVICE_HOST=192.0.2.1"}},
	} {
		c.PortStart = 1024
		for _, network := range []string{"tcp", "udp"} {
			var r report
			c.Run(t, "listen", &r, network)
			check(t, fmt.Sprintf("%s %+v", network, c), r)
		}
	}
}

// check holds a report against what every refused listener promises.
func check(t *testing.T, what string, r report) {
	t.Helper()
	if !strings.HasSuffix(r.Err, ": bind: permission denied: "+r.Want) || !r.Errno || !r.Perm || !r.Op || !r.Call || !r.OSPermission || r.Left != 0 {
		t.Errorf("%s: got %+v\nwant the library's words, and the error that package net has", what, r)
	}
}

func givenUpRole([]string) any {
	var r report
	err := kerneltest.OnDroppedThread(func() error {
		r = reportOf(listen("tcp", 80), 80)
		return nil
	})
	if err != nil {
		r.Err = err.Error()
	}
	return r
}

func refusedRole([]string) any {
	if err := kerneltest.Refuse(sysBind, syscall.EACCES); err != nil {
		return report{Err: err.Error()}
	}
	return reportOf(listen("tcp", 8080), 8080)
}

func TestWhyNot(t *testing.T) {
	for _, role := range []string{"given-up", "refused"} {
		if role == "refused" && sysBind == 0 {
			continue
		}
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, role, &r)
		check(t, role, r)
	}
}

// nothingRole looks at errors that are about no port, and at one that the
// program made itself.
func nothingRole([]string) any {
	made := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{Port: 81}, Err: os.NewSyscallError("bind", syscall.EACCES)}
	_, unix := net.Listen("unix", "/proc/version/socket")
	_, inUse := net.Listen("tcp", "192.0.2.1:8080")
	return []string{made.Error(), fmt.Sprint(unix), fmt.Sprint(inUse)}
}

func TestOtherErrors(t *testing.T) {
	var got []string
	kerneltest.Child{PortStart: 1024}.Run(t, "nothing", &got)
	want := []string{
		"listen tcp :81: bind: permission denied",
		"listen unix /proc/version/socket: bind: not a directory",
		"listen tcp 192.0.2.1:8080: bind: cannot assign requested address",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got  %q\nwant %q", got[i], want[i])
		}
	}
}

// manyRole binds from many goroutines at once.
func manyRole([]string) any {
	var wg sync.WaitGroup
	errs := make([]error, 400)
	for i := range errs {
		wg.Go(func() { errs[i] = listen([]string{"tcp4", "udp4"}[i%2], 100+i) })
	}
	wg.Wait()
	return reportOf(errors.Join(errs...), 100)
}

func TestMany(t *testing.T) {
	var r report
	kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "many", &r)
	if r.Err != "" || r.Left != 0 {
		t.Errorf("got %+v, want no error and no thread with a capability", r)
	}
}

// callRole binds by a function of package syscall; the error is the number, as
// ever.
func callRole(args []string) any {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return report{Err: err.Error()}
	}
	err = kerneltest.Bind(args[0], fd, 80)
	r := reportOf(err, 80)
	r.Call = err == syscall.EACCES
	r.OSPermission = os.IsPermission(err)
	return r
}

func TestCall(t *testing.T) {
	for _, way := range kerneltest.BindWays() {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "call", &r, way)
		if r.Err != "" || r.Left != 0 {
			t.Errorf("%s: got %+v, want no error and no thread with a capability", way, r)
		}
		kerneltest.Child{PortStart: 1024}.Run(t, "call", &r, way)
		if r.Err != "permission denied" || !r.Call || !r.OSPermission {
			t.Errorf("%s: got %+v, want EACCES itself", way, r)
		}
	}
}

// stackRole binds an address on the stack, from goroutines whose stacks are
// about to grow at each depth.
func stackRole(args []string) any {
	var wg sync.WaitGroup
	errs := make([]error, 120)
	for depth := range errs {
		wg.Go(func() { errs[depth] = deep(depth, args[0], 100+depth) })
	}
	wg.Wait()
	return reportOf(errors.Join(errs...), 100)
}

//go:noinline
func deep(depth int, way string, port int) error {
	var room [64]byte
	if depth > 0 {
		err := deep(depth-1, way, port)
		room[depth%len(room)] = 1
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := kerneltest.Bind(way, fd, port); err != nil {
		return err
	}
	bound, err := syscall.Getsockname(fd)
	if in, ok := bound.(*syscall.SockaddrInet4); err == nil && (!ok || in.Port != port) {
		err = fmt.Errorf("bound %+v, want port %d", bound, port)
	}
	return errors.Join(err, syscall.Close(fd))
}

func TestAddressOnStack(t *testing.T) {
	for _, way := range kerneltest.BindWays() {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024}.Run(t, "stack", &r, way)
		if r.Err != "" || r.Left != 0 {
			t.Errorf("%s: got %+v, want every port bound", way, r)
		}
	}
}

// vsockRole binds a port that is not one of IP.
func vsockRole([]string) any { return reportOf(kerneltest.BindVsock(703), 703) }

func TestVsock(t *testing.T) {
	need.Vsock(t)
	var r report
	kerneltest.Child{FileCaps: bindService}.Run(t, "vsock", &r)
	if r.Err != "" || r.Left != 0 {
		t.Errorf("got %+v, want no error and no thread with a capability", r)
	}
	kerneltest.Child{}.Run(t, "vsock", &r)
	if r.Err != "permission denied" {
		t.Errorf("got %+v, want EACCES without the capability", r)
	}
}

// started is what a process has, and what its child has.
type started struct{ Self, Child cred.Sets }

func startRole([]string) any {
	var s started
	var err error
	if s.Self, err = cred.Current(); err != nil {
		panic(err)
	}
	out, err := exec.Command("/bin/cat", "/proc/self/status").Output()
	if err != nil {
		panic(err)
	}
	child, err := cred.ParseStatus(bytes.NewReader(out))
	if err != nil {
		panic(err)
	}
	s.Child = child.Sets
	return s
}

func TestStart(t *testing.T) {
	const bit = 1 << 10
	for name, tc := range map[string]struct {
		child kerneltest.Child
		kept  bool // what it was started with
	}{
		"ambient":         {kerneltest.Child{Ambient: []uintptr{10}}, false},
		"ambient, keep":   {kerneltest.Child{Ambient: []uintptr{10}, Env: []string{"CAPWISE_START=keep"}}, true},
		"ambient, demote": {kerneltest.Child{Ambient: []uintptr{10}, Env: []string{"CAPWISE_START=demote"}}, false},
		"ambient, other":  {kerneltest.Child{Ambient: []uintptr{10}, Env: []string{"CAPWISE_START=1"}}, false},
		"effective":       {kerneltest.Child{FileCaps: "cap_net_bind_service=ep"}, false},
		"effective, keep": {kerneltest.Child{FileCaps: "cap_net_bind_service=ep", Env: []string{"CAPWISE_START=keep"}}, false},
		// Of this, the dynamic linker takes TMPDIR out of the environment.
		"effective, keep, TMPDIR": {kerneltest.Child{FileCaps: "cap_net_bind_service=ep", Env: []string{"CAPWISE_START=keep", "TMPDIR=/tmp"}}, false},
		"root":                    {kerneltest.Child{Root: true}, false},
		"service":                 {kerneltest.Child{Ambient: []uintptr{10}, Env: []string{"INVOCATION_ID=1"}}, false},
		"root, keep":              {kerneltest.Child{Root: true, Env: []string{"CAPWISE_START=keep"}}, true},
	} {
		var s started
		tc.child.Run(t, "start", &s)
		if s.Self.Permitted&bit == 0 {
			t.Errorf("%s: %+v: the capability is not permitted", name, s)
		}
		if kept := s.Self.Effective&bit != 0; kept != tc.kept {
			t.Errorf("%s: %+v: effective %t, want %t", name, s, kept, tc.kept)
		}
		if kept := s.Child.Ambient&bit != 0; kept != (tc.kept && tc.child.Ambient != nil) {
			t.Errorf("%s: %+v: a child has it ambient: %t", name, s, kept)
		}
		if tc.child.Root && s.Self.Effective|bit != s.Self.Permitted {
			t.Errorf("%s: %+v: lost another capability", name, s)
		}
	}
}

// filteredRole starts itself again as a service with a seccomp filter, and says
// what that one has.
func filteredRole([]string) any {
	if err := kerneltest.Refuse(syscall.SYS_REBOOT, syscall.EPERM); err != nil {
		return report{Err: err.Error()}
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "CAPWISE_TEST_ROLE=start", "INVOCATION_ID=1", "CAPWISE_START=")
	out, err := c.Output()
	if err != nil {
		return report{Err: err.Error()}
	}
	return report{Want: string(out)}
}

// TestFilteredService holds that nothing is demoted where the filter of a service
// may kill who tries.
func TestFilteredService(t *testing.T) {
	var r report
	var s started
	kerneltest.Child{Ambient: []uintptr{10}, Env: []string{"CAPWISE_START=keep"}}.Run(t, "filtered", &r)
	if err := json.Unmarshal([]byte(r.Want), &s); err != nil || r.Err != "" || s.Self.Effective != 1<<10 {
		t.Errorf("got %+v, %v, want the capability as it was", r, err)
	}
}

// loweringRole starts a process that must not lower, and says how it ended.
func loweringRole([]string) any {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "CAPWISE_TEST_ROLE=cannot-lower", "CAPWISE_START=demote")
	out, err := c.CombinedOutput()
	return report{Err: fmt.Sprint(err), Want: string(out)}
}

// cannotLowerRole binds where the second capset(2) is refused, and must not come
// to its end.
func cannotLowerRole([]string) any {
	if err := kerneltest.RefuseFrom(2, syscall.SYS_CAPSET, syscall.EPERM); err != nil {
		return report{Err: err.Error()}
	}
	err := listen("tcp", 80)
	return report{Err: fmt.Sprint("it lives: ", err)}
}

// shrinkingRole stops being root while it binds, by which the kernel takes all
// capabilities from all threads, raised ones too.
func shrinkingRole([]string) any {
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { _ = listen("tcp4", 100+i) }) // refused, or not
	}
	err := syscall.Setuid(kerneltest.UID)
	wg.Wait()
	return reportOf(err, 100)
}

func TestShrinking(t *testing.T) {
	for range 20 {
		var r report
		kerneltest.Child{Root: true, PortStart: 1024}.Run(t, "shrinking", &r)
		if r.Err != "" || r.Left != 0 {
			t.Fatalf("got %+v, want a process that lives", r)
		}
	}
}

func TestCannotLower(t *testing.T) {
	var r report
	// Ambient gets through the second exec, and no_new_privs takes none of it.
	kerneltest.Child{PortStart: 1024, Ambient: []uintptr{10}, Env: []string{"CAPWISE_START=keep"}}.Run(t, "lowering", &r)
	if r.Err != "exit status 2" || !strings.HasPrefix(r.Want, "capwise: CAP_NET_BIND_SERVICE cannot be lowered again") {
		t.Errorf("got %+v, want the end of the process", r)
	}
}
