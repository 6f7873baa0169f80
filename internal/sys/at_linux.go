package sys

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"
)

// OPath is O_PATH of open(2), the same on all architectures but Alpha, PA-RISC and
// SPARC. A descriptor with it stands for a file without opening it: no device
// starts, no FIFO waits.
const OPath = 0x200000

const (
	atFdcwd         = -100  // AT_FDCWD
	atSymlinkFollow = 0x400 // AT_SYMLINK_FOLLOW
)

// LinkDescriptor gives the file of a descriptor another name in the folder that dir
// stands for, linkat(2). EEXIST if there is one of this name. name is the file
// under /proc/self/fd.
func LinkDescriptor(procName string, dir int, name string) error {
	from, err := syscall.BytePtrFromString(procName)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	at := atFdcwd
	_, err = ignoringEINTR(func() (int, error) {
		_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, uintptr(at), uintptr(unsafe.Pointer(from)), uintptr(dir), uintptr(unsafe.Pointer(to)), atSymlinkFollow, 0)
		return 0, errnoOrNil(errno)
	})
	return err
}

// ReadLink returns what the symbolic link leads to that a descriptor with OPath
// stands for, readlinkat(2). More than 4095 bytes are ENAMETOOLONG.
func ReadLink(fd int) (string, error) {
	var buf [4096]byte // PATH_MAX
	empty := [1]byte{}
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0)
	runtime.KeepAlive(&empty)
	switch {
	case errno != 0:
		return "", errno
	case int(n) == len(buf):
		return "", syscall.ENAMETOOLONG
	}
	return string(buf[:n]), nil
}

// lease is the command and the argument of fcntl(2).
const (
	fSetLease = 1024 // F_SETLEASE
	fRdlck    = 0    // F_RDLCK
	fUnlck    = 2    // F_UNLCK
)

// Lease keeps others from opening the file for writing until it is given back, or
// until /proc/sys/fs/lease-break-time has passed since the first of them tried:
// fcntl(2) F_SETLEASE. It wants a descriptor open for reading, and the file's owner
// or CAP_LEASE. EAGAIN: somebody has it open for writing.
func Lease(fd int) error { return setLease(fd, fRdlck) }

// EndLease gives the lease back.
func EndLease(fd int) error { return setLease(fd, fUnlck) }

func setLease(fd, kind int) error {
	_, err := ignoringEINTR(func() (int, error) {
		_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), fSetLease, uintptr(kind))
		return 0, errnoOrNil(errno)
	})
	return err
}

func errnoOrNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// procMagic is PROC_SUPER_MAGIC of <linux/magic.h>.
const procMagic = 0x9fa0

// HasProc reports whether the process file system is at /proc, statfs(2).
func HasProc() bool {
	var st syscall.Statfs_t
	err := syscall.Statfs("/proc", &st)
	return err == nil && uint32(st.Type) == procMagic && !errors.Is(syscall.Access("/proc/self/fd", 0), syscall.ENOENT)
}
