//go:build 386 || s390x

package sys

import (
	"syscall"
	"unsafe"
)

// sysBind is SYS_BIND of socketcall(2), from <linux/net.h>.
const sysBind = 2

// bind is bind(2), which Go makes through socketcall(2) on these architectures.
// Package overlay makes RawSyscall call Rebind, and RawSyscall6 not.
//
//go:nosplit
func bind(fd uintptr, sa *sockaddr, length uintptr) (r1, r2 uintptr, err syscall.Errno) {
	args := [3]uintptr{fd, uintptr(unsafe.Pointer(sa)), length}
	return syscall.RawSyscall6(syscall.SYS_SOCKETCALL, sysBind, uintptr(unsafe.Pointer(&args)), 0, 0, 0, 0)
}
