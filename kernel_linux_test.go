package capwise_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/kerneltest"
)

const bindService = "cap_net_bind_service=p"

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{
		"listen":               listenRole,
		"many":                 manyRole,
		"watched":              watchedRole,
		"cancelled":            cancelledRole,
		"in-use":               inUseRole,
		"refused":              refusedRole,
		"unix":                 unixRole,
		"control-refuses":      controlRefusesRole,
		"locks":                locksRole,
		"do":                   doRole,
		"do-vsock":             doVsockRole,
		"own-network":          ownNetworkRole,
		"control-caps":         controlRole,
		"given-up":             givenUpRole,
		"lowering-listen":      loweringListenRole,
		"lowering-do":          loweringDoRole,
		"lowering-own-listen":  loweringOwnListenRole,
		"lowering-own-do":      loweringOwnDoRole,
		"lowering-own-network": loweringOwnNetworkRole,
		"unlock-do":            unlockDoRole,
		"unlock-listen":        unlockListenRole,
		"unlock-stray":         unlockStrayRole,
		"unlock-stray-listen":  unlockStrayListenRole,
		"traceback":            tracebackRole,
	})
}

// report is what a role found out.
type report struct {
	Err    string // "" if it worked
	Cause  diagnose.Cause
	Remedy string
	Eacces bool // errors.Is(err, syscall.EACCES)
	Perm   bool // errors.Is(err, fs.ErrPermission)
	Op     bool // errors.As *net.OpError
	Call   bool // errors.As *os.SyscallError
	Lower  bool // errors.As *RaiseError with Op "lower"
	Left   int  // threads with an effective capability afterwards
	Most   int  // most such threads seen at once
	Called bool // the function given to Do was called
}

func reportOf(err error) report {
	var r report
	if err != nil {
		r.Err = err.Error()
		r.Eacces = errors.Is(err, syscall.EACCES)
		r.Perm = errors.Is(err, fs.ErrPermission)
		var op *net.OpError
		r.Op = errors.As(err, &op)
		var call *os.SyscallError
		r.Call = errors.As(err, &call)
		var raise *capwise.RaiseError
		r.Lower = errors.As(err, &raise) && raise.Op == "lower"
		var be *capwise.BindError
		if errors.As(err, &be) {
			r.Cause, r.Remedy = be.Cause, be.Remedy
		}
	}
	r.Left = len(effective())
	return r
}

// effective waits a moment for threads to end, and returns those with an
// effective capability.
func effective() map[int]capset.Set {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		found, err := kerneltest.Effective()
		if err != nil {
			panic(err)
		}
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
	}
}

// listen opens and uses what network and address say: it accepts its own
// connection, or receives its own packet.
func listen(network, address string) error {
	if strings.HasPrefix(network, "udp") {
		pc, err := capwise.ListenPacket(network, address)
		if err != nil {
			return err
		}
		return errors.Join(exchangePacket(pc), pc.Close())
	}
	ln, err := capwise.Listen(network, address)
	if err != nil {
		return err
	}
	return errors.Join(exchangeConn(ln), ln.Close())
}

func exchangeConn(ln net.Listener) error {
	for _, dial := range dialable(ln.Addr()) {
		client, err := net.Dial("tcp", dial)
		if err != nil {
			return err
		}
		server, err := ln.Accept()
		if err != nil {
			return err
		}
		if err := errors.Join(server.Close(), client.Close()); err != nil {
			return err
		}
	}
	return nil
}

func exchangePacket(pc net.PacketConn) error {
	for _, dial := range dialable(pc.LocalAddr()) {
		client, err := net.Dial("udp", dial)
		if err != nil {
			return err
		}
		if _, err := client.Write([]byte("x")); err != nil {
			return err
		}
		if _, _, err := pc.ReadFrom(make([]byte, 1)); err != nil {
			return err
		}
		if err := client.Close(); err != nil {
			return err
		}
	}
	return nil
}

// dialable returns the loopback addresses by which a listener can be reached:
// both families for a dual-stack one.
func dialable(a net.Addr) []string {
	host, port, _ := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); !ip.IsUnspecified() {
		return []string{a.String()}
	}
	if a.Network() == "tcp" || a.Network() == "udp" {
		return []string{"127.0.0.1:" + port, "[::1]:" + port}
	}
	return []string{"127.0.0.1:" + port}
}

// underFilter loads a seccomp filter that lets pass what a role does, if the
// test asks for one: capwise works on another thread then.
func underFilter() {
	if os.Getenv("CAPWISE_TEST_FILTER") == "" {
		return
	}
	if err := kerneltest.Refuse(syscall.SYS_REBOOT, syscall.EPERM); err != nil {
		panic(err)
	}
}

// filters are the environments of a child without and with a seccomp filter.
var filters = map[string][]string{"no filter": nil, "filter": {"CAPWISE_TEST_FILTER=1"}}

func listenRole(args []string) any {
	underFilter()
	return reportOf(listen(args[0], args[1]))
}

func TestListenRaises(t *testing.T) {
	for _, tc := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:80"},
		{"tcp6", "[::1]:80"},
		{"tcp", ":80"}, // both families
		{"udp4", "127.0.0.1:53"},
		{"udp6", "[::1]:53"},
		{"udp", ":53"},
		{"tcp", "localhost:http"}, // names of hosts and services
	} {
		for _, start := range []int{81, 1024} {
			t.Run(fmt.Sprintf("%s_%s_%d", tc.network, tc.address, start), func(t *testing.T) {
				t.Parallel()
				for name, env := range filters {
					var r report
					kerneltest.Child{FileCaps: bindService, PortStart: start, Env: env}.Run(t, "listen", &r, tc.network, tc.address)
					if r.Err != "" || r.Left != 0 {
						t.Errorf("%s: got %+v, want no error and no thread with a capability", name, r)
					}
				}
			})
		}
	}
}

// TestListenNeedsNothing is about ports that the sysctl leaves open.
func TestListenNeedsNothing(t *testing.T) {
	for start, address := range map[int]string{0: ":1", 80: ":80", 81: ":81", 1024: ":1024"} {
		for _, caps := range []string{"", bindService} {
			var r report
			kerneltest.Child{FileCaps: caps, PortStart: start, EmptyBounding: true}.Run(t, "listen", &r, "tcp", address)
			if r.Err != "" || r.Left != 0 {
				t.Errorf("file %q, start %d, %s: got %+v, want no error", caps, start, address, r)
			}
		}
	}
}

// TestNoNewPrivs is what containerd and systemd do: the capability is permitted
// before the exec of a file that carries it, so no_new_privs takes nothing.
func TestNoNewPrivs(t *testing.T) {
	var r report
	c := kerneltest.Child{FileCaps: bindService, PortStart: 1024, NoNewPrivs: true, Ambient: []uintptr{uintptr(capset.NetBindService)}}
	c.Run(t, "listen", &r, "tcp", ":80")
	if r.Err != "" || r.Left != 0 {
		t.Errorf("got %+v, want no error and no thread with a capability", r)
	}
}

// inUseRole listens on a port that is taken.
func inUseRole([]string) any {
	underFilter()
	first, err := capwise.Listen("tcp", ":80")
	if err != nil {
		return report{Err: err.Error()}
	}
	defer first.Close()
	most := watch(func() { err = listen("tcp", ":8080") })
	if err != nil {
		return report{Err: err.Error()}
	}
	second, err := net.Listen("tcp", ":8080")
	if err != nil {
		return report{Err: err.Error()}
	}
	defer second.Close()
	most = max(most, watch(func() { err = listen("tcp", ":8080") }))
	r := reportOf(err)
	r.Most = most
	if !errors.Is(err, syscall.EADDRINUSE) {
		r.Err = "not EADDRINUSE: " + r.Err
	}
	if err := listen("tcp", ":80"); !errors.Is(err, syscall.EADDRINUSE) {
		r.Err = fmt.Sprintf("not EADDRINUSE when raised: %v", err)
	}
	return r
}

func TestAddressInUse(t *testing.T) {
	var r report
	kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: filters["filter"]}.Run(t, "in-use", &r)
	if !strings.HasSuffix(r.Err, "bind: address already in use") || r.Cause != "" || r.Most != 0 || r.Left != 0 {
		t.Errorf("got %+v, want EADDRINUSE as it is, and nothing raised", r)
	}
}

// cancelledRole cancels the context in the raised attempt's Control, just
// before the capability would be raised.
func cancelledRole([]string) any {
	underFilter()
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	lc := capwise.ListenConfig{Control: func(string, string, syscall.RawConn) error {
		if calls++; calls == refusedAttempts+1 {
			cancel()
		}
		return nil
	}}
	lc.SetMultipathTCP(false)
	var err error
	most := watch(func() { _, err = lc.Listen(ctx, "tcp", ":80") })
	r := reportOf(err)
	r.Most = most
	if !errors.Is(err, context.Canceled) {
		r.Err = "not Canceled: " + r.Err
	}
	return r
}

// refusedAttempts is how often Control is called before the raised attempt,
// without Multipath TCP.
const refusedAttempts = 1

func TestContextCancelledMidway(t *testing.T) {
	for name, env := range filters {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}.Run(t, "cancelled", &r)
		if !strings.Contains(r.Err, "context canceled") || r.Most != 0 || r.Left != 0 {
			t.Errorf("%s: got %+v, want a cancelled context and nothing raised", name, r)
		}
	}
}

// controlRole reports the most capabilities that were effective during Control.
func controlRole([]string) any {
	underFilter()
	var inControl int
	lc := capwise.ListenConfig{Control: func(string, string, syscall.RawConn) error {
		found, err := kerneltest.Effective()
		inControl = max(inControl, len(found))
		return err
	}}
	ln, err := lc.Listen(context.Background(), "tcp", ":80")
	r := reportOf(err)
	r.Most = inControl
	if err == nil {
		r.Err = fmt.Sprint(errors.Join(ln.Close()))
		r.Err = strings.TrimSuffix(r.Err, "<nil>")
	}
	return r
}

func TestControlRunsUnraised(t *testing.T) {
	for name, env := range filters {
		var r report
		kerneltest.Child{FileCaps: bindService, PortStart: 1024, Env: env}.Run(t, "control-caps", &r)
		if r.Err != "" || r.Most != 0 || r.Left != 0 {
			t.Errorf("%s: got %+v, want Control to run with nothing effective", name, r)
		}
	}
}

// ownNetworkRole listens from a thread that has joined a network namespace of
// its own, and reports whether the socket is there.
func ownNetworkRole([]string) any {
	underFilter()
	err := kerneltest.OnOwnNetwork(func() error {
		ln, err := capwise.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		table, err := os.ReadFile("/proc/thread-self/net/tcp6")
		if !strings.Contains(string(table), ":0050 ") {
			err = errors.Join(err, errors.New("the socket is in another network namespace"))
		}
		return errors.Join(err, ln.Close())
	})
	return reportOf(err)
}

func TestCallerOnOwnNetwork(t *testing.T) {
	for name, env := range filters {
		var r report
		kerneltest.Child{FileCaps: "cap_net_bind_service,cap_sys_admin=p", PortStart: 1024, Env: env}.Run(t, "own-network", &r)
		if r.Err != "" || r.Left != 0 {
			t.Errorf("%s: got %+v, want the socket in the caller's network namespace", name, r)
		}
	}
}
