package sys

import (
	"runtime"
	"syscall"
	"unsafe"
)

// sockaddr has room for any socket address, struct sockaddr_storage.
type sockaddr [128]byte

// Rebind is called with the arguments of a bind(2) that failed with EACCES, and
// returns what comes of trying again on the same socket with CAP_NET_BIND_SERVICE
// raised. It is EACCES again where the capability is not permitted or effective
// already, and for Unix sockets, for which it means another thing. The address
// must be readable, as it is where the kernel has looked at it.
//
// Package overlay builds it into package syscall, behind every bind of a program.
// There the address may lie on the caller's stack, whose caller knows it as a
// number; so the stack must not grow before the address is copied.
//
//go:nosplit
//go:noinline
//go:norace
func Rebind(fd uintptr, addr unsafe.Pointer, length uintptr) (r1, r2 uintptr, err syscall.Errno) {
	var sa sockaddr
	if length < 2 || length > uintptr(len(sa)) {
		return ^uintptr(0), 0, syscall.EACCES
	}
	copy(sa[:], unsafe.Slice((*byte)(addr), length))
	return rebindCopy(fd, &sa, length)
}

// rebindCopy binds with the capability effective on this thread. No other
// goroutine runs on it meanwhile, and no other thread inherits it: Go starts none
// from a locked one.
//
// If the capability cannot be lowered, the process ends at once, since nothing
// may run with it. The kernel never refuses to lower; a seccomp filter that tells
// one capset(2) from another could.
func rebindCopy(fd uintptr, sa *sockaddr, length uintptr) (r1, r2 uintptr, err syscall.Errno) {
	family := *(*uint16)(unsafe.Pointer(sa))
	sets, refused := Capget() // of any thread: the one that raises looks again
	if family == syscall.AF_UNIX || refused != nil || sets.Permitted&netBindService == 0 {
		return ^uintptr(0), 0, syscall.EACCES
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if raised, refused := Raise(netBindService); refused != nil || !raised {
		return ^uintptr(0), 0, syscall.EACCES
	}
	r1, r2, err = bind(fd, sa, length)
	if refused := Lower(netBindService); refused != nil {
		Die("capwise: CAP_NET_BIND_SERVICE cannot be lowered again, and nothing may run with it: " + refused.Error() + "\n")
	}
	return r1, r2, err
}
