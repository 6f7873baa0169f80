package capwise_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
)

// A server that binds port 80 where it may, and says why where it may not.
func ExampleListen() {
	ln, err := capwise.Listen("tcp", "127.0.0.1:0") // ":80" in earnest
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr().Network())
	fmt.Println(ln.Close())
	// Output:
	// listening on tcp
	// <nil>
}

func ExampleListenPacket() {
	pc, err := capwise.ListenPacket("udp", "127.0.0.1:0") // ":53" in earnest
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", pc.LocalAddr().Network())
	fmt.Println(pc.Close())
	// Output:
	// listening on udp
	// <nil>
}

// ListenConfig goes where net.ListenConfig does, with the same fields.
func ExampleListenConfig() {
	lc := capwise.ListenConfig{
		Control: func(network, _ string, _ syscall.RawConn) error {
			fmt.Println("a socket for", network) // runs with nothing raised
			return nil
		},
	}
	lc.SetMultipathTCP(false)
	fmt.Println("multipath TCP:", lc.MultipathTCP())
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = server.Close() }()
	fmt.Println(server.Serve(ln))
	// Output:
	// multipath TCP: false
	// a socket for tcp4
	// http: Server closed
}

// The facts behind the text of a BindError are on its fields.
func ExampleBindError() {
	refusal := os.NewSyscallError("bind", syscall.EACCES)
	facts := diagnose.Facts{
		PortStart: 1024, UID: 65532, Environment: diagnose.Docker, NetworkOwner: diagnose.OwnerSelf,
		Executable: "/usr/bin/server",
	}
	var err error = &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{Port: 80}, Err: &capwise.BindError{
		Verdict: diagnose.Explain(facts, 80), Facts: facts, Err: refusal,
	}}

	fmt.Println(errors.Is(err, syscall.EACCES), errors.Is(err, fs.ErrPermission))
	var refused *capwise.BindError
	if errors.As(err, &refused) {
		fmt.Println(refused.Port, refused.Cause, refused.Facts.PortStart)
		fmt.Println(refused.Reason)
	}
	// Output:
	// true true
	// 80 not-in-bounding-set 1024
	// port 80 needs CAP_NET_BIND_SERVICE here (net.ipv4.ip_unprivileged_port_start is 1024), and CAP_NET_BIND_SERVICE is not in the bounding set
}

// Larger socket buffers where CAP_NET_ADMIN is permitted, ordinary ones where
// it is not.
func ExampleDo() {
	need := capwise.Prefer
	err := capwise.Do(capset.NetAdmin, need, func() error {
		// setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, ...), or SO_RCVBUF on EPERM
		return nil
	})
	fmt.Println(need, err)
	// Output: prefer <nil>
}
