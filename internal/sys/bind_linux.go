//go:build !386 && !s390x

package sys

import (
	"syscall"
	"unsafe"
)

// bind is bind(2). Package overlay makes RawSyscall call Rebind, and RawSyscall6 not.
//
//go:nosplit
func bind(fd uintptr, sa *sockaddr, length uintptr) (r1, r2 uintptr, err syscall.Errno) {
	return syscall.RawSyscall6(syscall.SYS_BIND, fd, uintptr(unsafe.Pointer(sa)), length, 0, 0, 0)
}
