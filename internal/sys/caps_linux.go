package sys

import (
	"syscall"
	"unsafe"
)

// capVersion3 is _LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>: sets of
// 64 bits, in two halves.
const capVersion3 = 0x20080522

// netBindService is CAP_NET_BIND_SERVICE in a set.
const netBindService = 1 << 10

type capHeader struct {
	version uint32
	pid     int32 // 0 is the calling thread
}

type capData struct {
	effective   uint32
	permitted   uint32
	inheritable uint32
}

// Sets is what capget(2) and capset(2) carry, bit n for capability n.
type Sets struct {
	Effective, Permitted, Inheritable uint64
}

// Capget returns the sets of the calling thread. The caller has locked its
// goroutine to the thread, or knows that all threads have the same.
func Capget() (Sets, error) {
	hdr := capHeader{version: capVersion3}
	var data [2]capData
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return Sets{}, errno
	}
	return Sets{
		Effective:   uint64(data[0].effective) | uint64(data[1].effective)<<32,
		Permitted:   uint64(data[0].permitted) | uint64(data[1].permitted)<<32,
		Inheritable: uint64(data[0].inheritable) | uint64(data[1].inheritable)<<32,
	}, nil
}

// Capset replaces the sets of the calling thread, to which the caller has
// locked its goroutine. No other thread changes.
func Capset(s Sets) error {
	hdr := capHeader{version: capVersion3}
	data := [2]capData{
		{uint32(s.Effective), uint32(s.Permitted), uint32(s.Inheritable)},
		{uint32(s.Effective >> 32), uint32(s.Permitted >> 32), uint32(s.Inheritable >> 32)},
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
