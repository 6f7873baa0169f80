package need

import (
	"syscall"
	"testing"
)

// Vsock leaves the test out unless the kernel has sockets for virtual machines and
// lets this process make them.
func Vsock(t testing.TB) {
	t.Helper()
	const afVsock = 40
	fd, err := syscall.Socket(afVsock, syscall.SOCK_STREAM, 0)
	if err != nil {
		missing(t, "sockets of AF_VSOCK")
	}
	_ = syscall.Close(fd)
}
