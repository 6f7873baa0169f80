package refusal

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// noted is why ports were refused. It is few: a program listens on few ports.
var noted struct {
	sync.Mutex
	ports []refusedPort
}

// refusedPort is a port, and why it was refused last.
type refusedPort struct {
	port int
	why  string
}

// Refused notes why the port of an address was refused, if the error says that it
// was. Package net calls it where a listener could not be made: only there the
// thread and its credentials are still those that the kernel looked at.
func Refused(address net.Addr, err error) {
	port := portOf(address)
	if !errors.Is(err, syscall.EACCES) || port == 0 {
		return
	}
	why := ": " + Explain(port)
	noted.Lock()
	defer noted.Unlock()
	for i := range noted.ports {
		if noted.ports[i].port == port {
			noted.ports[i].why = why
			return
		}
	}
	noted.ports = append(noted.ports, refusedPort{port, why})
}

// Why returns what the text of an error adds: why its port was last refused, or ""
// where the error is of another kind or nothing was noted.
func Why(e *net.OpError) string {
	if e.Op != "listen" {
		return ""
	}
	var call *os.SyscallError
	if !errors.As(e.Err, &call) || call.Syscall != "bind" || !errors.Is(call.Err, syscall.EACCES) {
		return ""
	}
	port := portOf(e.Addr)
	noted.Lock()
	defer noted.Unlock()
	for _, r := range noted.ports {
		if r.port == port {
			return r.why
		}
	}
	return ""
}

// portOf returns the port of an address; 0 for none.
func portOf(address net.Addr) int {
	switch a := address.(type) {
	case *net.TCPAddr:
		if a != nil {
			return a.Port
		}
	case *net.UDPAddr:
		if a != nil {
			return a.Port
		}
	}
	return 0
}
