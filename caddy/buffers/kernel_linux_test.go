package buffers

import (
	"bytes"
	"crypto/tls"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/quic-go/quic-go"
	"go.uber.org/zap"

	"github.com/capwise/capwise/internal/kerneltest"
)

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{"wrap": wrapRole})
}

// wrapped is what became of a socket.
type wrapped struct {
	Receive, Send int    // its buffers, as the kernel says
	Warning       string // what quic-go logs about it
	Left          int    // threads with an effective capability afterwards
	Err           string
}

// wrapRole opens a socket, wraps it as Caddy does, and gives it to quic-go.
func wrapRole([]string) any {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return wrapped{Err: err.Error()}
	}
	defer conn.Close()
	w := Wrapper{Size: wanted, logger: zap.NewNop()}
	if pc := w.WrapPacketConn(outer{conn}); pc != net.PacketConn(outer{conn}) {
		return wrapped{Err: "another module's wrapper is gone"}
	}
	pc := w.WrapPacketConn(conn)
	if pc != net.PacketConn(conn) {
		return wrapped{Err: "another connection"}
	}
	var out wrapped
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			out.Receive, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
			out.Send, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		})
	}
	if err != nil {
		return wrapped{Err: err.Error()}
	}
	var logged bytes.Buffer
	log.SetOutput(&logged)
	tr := quic.Transport{Conn: pc}
	ln, err := tr.Listen(&tls.Config{NextProtos: []string{"h3"}}, nil)
	if err != nil {
		return wrapped{Err: err.Error()}
	}
	defer ln.Close()
	out.Warning = logged.String()
	found, err := kerneltest.Effective()
	if err != nil {
		out.Err = err.Error()
	}
	out.Left = len(found)
	return out
}

// outer is a connection around another, as modules may have it.
type outer struct{ net.PacketConn }

func (o outer) Unwrap() net.PacketConn { return o.PacketConn }

// sysctl is what any process may ask for.
func sysctl(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/core/" + name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBuffers(t *testing.T) {
	for name, tc := range map[string]struct {
		child kerneltest.Child
		large bool
	}{
		"permitted":          {kerneltest.Child{FileCaps: "cap_net_bind_service,cap_net_admin=p"}, true},
		"nothing":            {kerneltest.Child{}, false},
		"another capability": {kerneltest.Child{FileCaps: "cap_net_bind_service=p"}, false},
		"dropped":            {kerneltest.Child{FileCaps: "cap_net_bind_service,cap_net_admin=p", EmptyBounding: true}, false},
	} {
		var got wrapped
		tc.child.Run(t, "wrap", &got)
		if got.Err != "" || got.Left != 0 {
			t.Errorf("%s: got %+v, want no error and no thread with a capability", name, got)
		}
		receive, send := wanted, wanted
		if !tc.large {
			receive, send = min(wanted, sysctl(t, "rmem_max")), min(wanted, sysctl(t, "wmem_max"))
		}
		if got.Receive != 2*receive || got.Send != 2*send {
			t.Errorf("%s: got %+v, want buffers of twice %d and %d", name, got, receive, send)
		}
		if warned := got.Warning != ""; warned != (2*min(receive, send) < wanted) {
			t.Errorf("%s: with buffers of twice %d and %d quic-go says %q", name, receive, send, got.Warning)
		}
	}
}
