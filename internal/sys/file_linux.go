package sys

import (
	"errors"
	"os"
	"syscall"
)

// CapabilityXattr is the name of the extended attribute that holds file
// capabilities.
const CapabilityXattr = "security.capability"

// GetCapabilityXattr returns the raw attribute of the file, getxattr(2). It
// follows symbolic links; ENODATA says that the file has none.
func GetCapabilityXattr(path string) ([]byte, error) {
	buf := make([]byte, 32) // more than any revision needs
	for {
		n, err := ignoringEINTR(func() (int, error) { return syscall.Getxattr(path, CapabilityXattr, buf) })
		if !errors.Is(err, syscall.ERANGE) {
			return buf[:max(n, 0)], err
		}
		if n, err = syscall.Getxattr(path, CapabilityXattr, nil); err != nil {
			return nil, err
		}
		buf = make([]byte, n)
	}
}

// SetCapabilityXattr replaces the raw attribute, setxattr(2).
func SetCapabilityXattr(path string, value []byte) error {
	_, err := ignoringEINTR(func() (int, error) {
		return 0, syscall.Setxattr(path, CapabilityXattr, value, 0)
	})
	return err
}

// RemoveCapabilityXattr removes the attribute, removexattr(2).
func RemoveCapabilityXattr(path string) error {
	_, err := ignoringEINTR(func() (int, error) {
		return 0, syscall.Removexattr(path, CapabilityXattr)
	})
	return err
}

// stNosuid is ST_NOSUID of statvfs(3).
const stNosuid = 2

// MountedNosuid reports whether the file lies on a mount with the option
// nosuid, statfs(2).
func MountedNosuid(path string) (bool, error) {
	var st syscall.Statfs_t
	_, err := ignoringEINTR(func() (int, error) { return 0, syscall.Statfs(path, &st) })
	return st.Flags&stNosuid != 0, err
}

// nsGetUserns is NS_GET_USERNS of ioctl_ns(2), _IO(0xb7, 1).
const nsGetUserns = ioNone | 0xb701

// Namespace identifies a namespace as stat(2) of its file under /proc does.
type Namespace struct {
	Dev, Ino uint64
}

// NamespaceOf returns the identity of the namespace that the file stands for,
// such as /proc/self/ns/user.
func NamespaceOf(path string) (Namespace, error) {
	var st syscall.Stat_t
	_, err := ignoringEINTR(func() (int, error) { return 0, syscall.Stat(path, &st) })
	return Namespace{uint64(st.Dev), st.Ino}, err //nolint:unconvert // Dev is 32 bits wide on some architectures
}

// OwningUserNamespace returns the identity of the user namespace that owns the
// namespace that the file stands for, ioctl_ns(2) NS_GET_USERNS. EPERM says
// that the owner is neither the caller's user namespace nor inside it.
func OwningUserNamespace(path string) (Namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return Namespace{}, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	r, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), nsGetUserns, 0)
	if errno != 0 {
		return Namespace{}, errno
	}
	owner := os.NewFile(r, "user namespace")
	defer func() { _ = owner.Close() }()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(r), &st); err != nil {
		return Namespace{}, err
	}
	return Namespace{uint64(st.Dev), st.Ino}, nil //nolint:unconvert // as above
}

// ignoringEINTR calls fn again for as long as a signal interrupts it.
func ignoringEINTR(fn func() (int, error)) (int, error) {
	for {
		n, err := fn()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
