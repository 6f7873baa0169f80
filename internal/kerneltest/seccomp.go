//go:build linux

package kerneltest

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// From <linux/seccomp.h> and <linux/filter.h>.
const (
	seccompSetModeFilter   = 1
	filterFlagTsync        = 1 << 0
	filterFlagNewListener  = 1 << 3
	filterFlagTsyncEsrch   = 1 << 4
	filterFlagWaitKillable = 1 << 5
	filterFlagsAsk         = filterFlagTsync | filterFlagTsyncEsrch | filterFlagNewListener | filterFlagWaitKillable
	retErrno               = 0x00050000
	retUserNotif           = 0x7fc00000
	retAllow               = 0x7fff0000
	notifFlagContinue      = 1
	ioctlNotifRecv         = 0xc0502100
	ioctlNotifSend         = 0xc0182101
	bpfLoadWordAbsolute    = 0x20
	bpfJumpEqual           = 0x15
	bpfReturn              = 0x06
	offsetOfNumber         = 0
)

// seccompNumbers holds the number of seccomp(2) where it is not 277, as it is
// on the architectures with the generic table.
var seccompNumbers = map[string]uintptr{"386": 354, "amd64": 317, "arm": 383, "ppc64le": 358, "s390x": 348}

func seccompNumber() uintptr {
	if n, ok := seccompNumbers[runtime.GOARCH]; ok {
		return n
	}
	return 277
}

// Refuse makes the kernel answer the system call with errno, on every thread
// of the process, from now on.
func Refuse(number uintptr, errno syscall.Errno) error {
	_, err := install(number, retErrno|uint32(errno), filterFlagTsync)
	return err
}

// RefuseFrom makes the kernel answer the system call with errno from its nth
// occurrence on (counted from 1), on every thread of the process.
func RefuseFrom(n int, number uintptr, errno syscall.Errno) error {
	fd, err := install(number, retUserNotif, filterFlagsAsk)
	if err != nil {
		return err
	}
	calls := 0
	go supervise(fd, func() syscall.Errno {
		if calls++; calls < n {
			return 0
		}
		return errno
	})
	return nil
}

// Slow makes every occurrence of the system call take at least d, on every
// thread of the process.
func Slow(number uintptr, d time.Duration) error {
	fd, err := install(number, retUserNotif, filterFlagsAsk)
	if err != nil {
		return err
	}
	go supervise(fd, func() syscall.Errno {
		time.Sleep(d)
		return 0
	})
	return nil
}

type bpfInstruction struct {
	code  uint16
	_, jf uint8 // how many to skip if true (never any here) and if false
	k     uint32
}

type bpfProgram struct {
	length uint16
	filter *bpfInstruction
}

// install loads a filter that returns action for the system call, and allows
// all others.
func install(number uintptr, action uint32, flags uintptr) (int, error) {
	if err := SetNoNewPrivs(); err != nil {
		return 0, err
	}
	filter := [...]bpfInstruction{
		{code: bpfLoadWordAbsolute, k: offsetOfNumber},
		{code: bpfJumpEqual, jf: 1, k: uint32(number)},
		{code: bpfReturn, k: action},
		{code: bpfReturn, k: retAllow},
	}
	prog := bpfProgram{length: uint16(len(filter)), filter: &filter[0]}
	fd, _, errno := syscall.Syscall(seccompNumber(), seccompSetModeFilter, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// supervise answers the filter's questions with what decide says: an error
// number, or 0 to go on.
func supervise(fd int, decide func() syscall.Errno) {
	for {
		var asked struct {
			id uint64
			_  [72]byte
		}
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), ioctlNotifRecv, uintptr(unsafe.Pointer(&asked)))
		if e == syscall.ENOENT || e == syscall.EINTR {
			continue // a signal came before the question; it is asked again
		}
		if e != 0 {
			panic(fmt.Sprintf("seccomp notification: %v", e))
		}
		answer := struct {
			id    uint64
			val   int64
			err   int32
			flags uint32
		}{id: asked.id, flags: notifFlagContinue}
		if errno := decide(); errno != 0 {
			answer.err, answer.flags = -int32(errno), 0
		}
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), ioctlNotifSend, uintptr(unsafe.Pointer(&answer))); e != 0 {
			panic(fmt.Sprintf("seccomp answer: %v", e))
		}
	}
}
