//go:build linux && (386 || s390x)

package kerneltest

import (
	"syscall"
	"unsafe"
)

const (
	// bindNumber is that of bind(2) itself, SYS_BIND of golang.org/x/sys.
	bindNumber = 361
	// callBind is SYS_BIND of <linux/net.h>.
	callBind = 2
)

var otherWays = []string{"Syscall, socketcall", "Syscall6, socketcall", "RawSyscall, socketcall"}

// bindOtherwise binds through socketcall(2), by arguments on the stack.
func bindOtherwise(way string, fd int, sa *syscall.RawSockaddrInet4) (errno syscall.Errno) {
	args := [3]uintptr{uintptr(fd), uintptr(unsafe.Pointer(sa)), unsafe.Sizeof(*sa)}
	switch way {
	case "Syscall, socketcall":
		_, _, errno = syscall.Syscall(syscall.SYS_SOCKETCALL, callBind, uintptr(unsafe.Pointer(&args)), 0)
	case "Syscall6, socketcall":
		_, _, errno = syscall.Syscall6(syscall.SYS_SOCKETCALL, callBind, uintptr(unsafe.Pointer(&args)), 0, 0, 0, 0)
	default:
		_, _, errno = syscall.RawSyscall(syscall.SYS_SOCKETCALL, callBind, uintptr(unsafe.Pointer(&args)), 0)
	}
	return errno
}
