package buffers

import "syscall"

// The buffers of a socket: the option that any process may set, up to the
// sysctl, and the one that takes CAP_NET_ADMIN.
var options = [2]struct{ plain, forced int }{
	{syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE},
	{syscall.SO_SNDBUF, syscall.SO_SNDBUFFORCE},
}

// enlarge sets both buffers to the size, or to as much as the sysctls allow. A
// buffer that is large enough stays.
func enlarge(fd, size int) (sizes, error) {
	var got [2]int
	for i, o := range options {
		now, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, o.plain)
		if err != nil {
			return sizes{}, err
		}
		if now < 2*size {
			err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, o.forced, size)
			if err == syscall.EPERM {
				err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, o.plain, size)
			}
			if err != nil {
				return sizes{}, err
			}
		}
		if got[i], err = syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, o.plain); err != nil {
			return sizes{}, err
		}
	}
	return sizes{receive: got[0], send: got[1]}, nil
}
