package refusal

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// forget takes back what was noted.
func forget(t *testing.T) {
	t.Helper()
	noted.ports = nil
	t.Cleanup(func() { noted.ports = nil })
}

// listenError is what package net returns where a bind fails.
func listenError(address net.Addr, err error) *net.OpError {
	return &net.OpError{Op: "listen", Net: address.Network(), Addr: address, Err: os.NewSyscallError("bind", err)}
}

// TestRefused holds which refusals are noted, by what a listener's error says then.
func TestRefused(t *testing.T) {
	var noTCP *net.TCPAddr
	var noUDP *net.UDPAddr
	for name, tc := range map[string]struct {
		address net.Addr
		err     error
		noted   bool
	}{
		"tcp":           {&net.TCPAddr{Port: 987}, syscall.EACCES, true},
		"udp":           {&net.UDPAddr{Port: 987}, syscall.EACCES, true},
		"in use":        {&net.TCPAddr{Port: 987}, syscall.EADDRINUSE, false},
		"no error":      {&net.TCPAddr{Port: 987}, nil, false},
		"any port":      {&net.TCPAddr{}, syscall.EACCES, false},
		"unix":          {&net.UnixAddr{Name: "/socket"}, syscall.EACCES, false},
		"no tcp":        {noTCP, syscall.EACCES, false},
		"no udp":        {noUDP, syscall.EACCES, false},
		"no address":    {nil, syscall.EACCES, false},
		"wrapped error": {&net.TCPAddr{Port: 987}, os.NewSyscallError("bind", syscall.EACCES), true},
	} {
		forget(t)
		Refused(tc.address, tc.err)
		if got := len(noted.ports) == 1; got != tc.noted {
			t.Errorf("%s: noted: %t", name, got)
		}
		if !tc.noted {
			continue
		}
		why := Why(listenError(tc.address, syscall.EACCES))
		if !strings.HasPrefix(why, ": port 987 ") || why != ": "+Explain(987) {
			t.Errorf("%s: got %q", name, why)
		}
	}
}

// TestWhy holds which errors say more: those of a port that was refused, and no
// other's.
func TestWhy(t *testing.T) {
	forget(t)
	noted.ports = []refusedPort{{80, ": first"}, {81, ": second"}}
	port := func(n int) *net.TCPAddr { return &net.TCPAddr{Port: n} }
	dial := listenError(port(80), syscall.EACCES)
	dial.Op = "dial"
	for name, tc := range map[string]struct {
		err  *net.OpError
		want string
	}{
		"refused":       {listenError(port(80), syscall.EACCES), ": first"},
		"the other":     {listenError(port(81), syscall.EACCES), ": second"},
		"as udp":        {listenError(&net.UDPAddr{Port: 81}, syscall.EACCES), ": second"},
		"another port":  {listenError(port(82), syscall.EACCES), ""},
		"another error": {listenError(port(80), syscall.EADDRINUSE), ""},
		"another call":  {&net.OpError{Op: "listen", Addr: port(80), Err: os.NewSyscallError("socket", syscall.EACCES)}, ""},
		"no call":       {&net.OpError{Op: "listen", Addr: port(80), Err: errors.New("no such host")}, ""},
		"a dial":        {dial, ""},
		"no address":    {&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, ""},
	} {
		if got := Why(tc.err); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// TestRefusedAgain holds that a port is noted once, however often and from however
// many goroutines it is refused, and that the last reason counts.
func TestRefusedAgain(t *testing.T) {
	forget(t)
	noted.ports = []refusedPort{{80, ": an old reason"}, {81, ": another's"}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			Refused(&net.TCPAddr{Port: 80}, syscall.EACCES)
			_ = Why(listenError(&net.TCPAddr{Port: 80}, syscall.EACCES))
		})
	}
	all.Wait()
	if len(noted.ports) != 2 || noted.ports[0] != (refusedPort{80, ": " + Explain(80)}) || noted.ports[1].why != ": another's" {
		t.Errorf("got %+v", noted.ports)
	}
}
