package sys

import (
	"errors"
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

// OwnsNamespace is [OwnsNamespaceOf] for the file under /proc/PID/ns.
func OwnsNamespace(path string) (bool, error) {
	fd, err := open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = syscall.Close(fd) }() // opened for reading
	return OwnsNamespaceOf(fd)
}

// NetworkNamespace returns the text that identifies the network namespace of
// the calling thread, such as "net:[4026531840]", or "" where /proc does not
// tell. Reading the link takes half as long as following it with stat(2).
func NetworkNamespace() string {
	var buf [64]byte
	n, err := ignoringEINTR(func() (int, error) { return syscall.Readlink("/proc/thread-self/ns/net", buf[:]) })
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// openError is fs.PathError without package io/fs.
type openError struct {
	path string
	err  error
}

func (e *openError) Error() string { return "open " + e.path + ": " + e.err.Error() }

func (e *openError) Unwrap() error { return e.err }

// open opens a file for reading. Packages os and io/fs would double what the
// launcher, which is linked with this package, consists of besides the runtime.
func open(path string) (int, error) {
	fd, err := ignoringEINTR(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return -1, &openError{path, err}
	}
	return fd, nil
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
