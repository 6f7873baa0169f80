package sys

import (
	"runtime"
	"syscall"
)

// nsGetParent is NS_GET_PARENT of ioctl_ns(2), _IO(0xb7, 2).
const nsGetParent = ioNone | 0xb702

// NamespaceOwners returns the inode numbers of the user namespace that owns the
// namespace which the file under /proc/PID/ns stands for, and of those around it,
// the innermost first. The kernel shows none outside of the caller's own; there
// the list ends, and may be empty.
func NamespaceOwners(path string) ([]uint64, error) {
	first, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(first) }() // opened for reading
	var owners []uint64
	fd, request := uintptr(first), uintptr(nsGetUserns)
	for {
		next, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, 0)
		if len(owners) > 0 {
			_ = syscall.Close(int(fd)) // a descriptor of a namespace, not a file
		}
		switch errno {
		case 0:
		case syscall.EPERM:
			return owners, nil
		default:
			return nil, errno
		}
		var st syscall.Stat_t
		if err := syscall.Fstat(int(next), &st); err != nil {
			_ = syscall.Close(int(next))
			return nil, err
		}
		owners = append(owners, st.Ino)
		fd, request = next, nsGetParent
	}
}

// setnsNumbers is the number of setns(2), which package syscall does not know.
var setnsNumbers = map[string]uintptr{
	"386": 346, "amd64": 308, "arm": 375, "arm64": 268, "loong64": 268, "mips": 4344, "mipsle": 4344,
	"mips64": 5303, "mips64le": 5303, "ppc64": 350, "ppc64le": 350, "riscv64": 268, "s390x": 339,
}

// EnterNetwork moves the calling thread, to which the caller has locked its
// goroutine, to the network namespace of the file under /proc/PID/ns, setns(2).
// The thread is fit for nothing else afterwards.
func EnterNetwork(path string) error {
	fd, err := open(path)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }() // opened for reading
	number, ok := setnsNumbers[runtime.GOARCH]
	if !ok {
		return syscall.ENOSYS
	}
	if _, _, errno := syscall.Syscall(number, uintptr(fd), syscall.CLONE_NEWNET, 0); errno != 0 {
		return errno
	}
	return nil
}
