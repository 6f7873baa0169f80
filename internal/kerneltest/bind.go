//go:build linux

package kerneltest

import (
	"errors"
	"syscall"
	"unsafe"
)

// BindWays returns the ways in which programs call bind(2), for [Bind].
func BindWays() []string {
	return append([]string{"Bind", "Syscall", "Syscall6", "RawSyscall"}, otherWays...)
}

// Bind binds to a port of 127.0.0.1, by an address on the stack. The error is the
// number.
//
//go:noinline
func Bind(way string, fd, port int) error {
	sa := syscall.RawSockaddrInet4{Family: syscall.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	*(*[2]byte)(unsafe.Pointer(&sa.Port)) = [2]byte{byte(port >> 8), byte(port)}
	var errno syscall.Errno
	switch way {
	case "Bind":
		return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: sa.Addr})
	case "Syscall":
		_, _, errno = syscall.Syscall(bindNumber, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	case "Syscall6":
		_, _, errno = syscall.Syscall6(bindNumber, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa), 0, 0, 0)
	case "RawSyscall":
		_, _, errno = syscall.RawSyscall(bindNumber, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	default:
		errno = bindOtherwise(way, fd, &sa)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// afVsock is the address family for virtual machines and their hosts, and
// sockaddrVM struct sockaddr_vm of <linux/vm_sockets.h>.
const afVsock = 40

type sockaddrVM struct {
	family, _ uint16
	port, cid uint32
	_         [4]byte
}

// BindVsock binds a socket of AF_VSOCK to a port, and closes it. Ports below 1024
// need CAP_NET_BIND_SERVICE, wherever net.ipv4.ip_unprivileged_port_start is.
func BindVsock(port uint32) error {
	fd, err := syscall.Socket(afVsock, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	sa := sockaddrVM{family: afVsock, port: port, cid: ^uint32(0)} // VMADDR_CID_ANY
	_, _, errno := syscall.Syscall(bindNumber, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	err = syscall.Close(fd)
	if errno != 0 {
		return errors.Join(errno, err)
	}
	return err
}
