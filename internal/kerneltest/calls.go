//go:build linux

package kerneltest

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// loopbackUp sets IFF_UP on lo in the network namespace of the calling thread.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	req := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(req.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		err = fmt.Errorf("lo up: %w", errno)
	}
	return errors.Join(err, syscall.Close(fd))
}

// dropBounding empties the bounding set of the calling thread.
func dropBounding() error {
	for c := range capset.MaxCap + 1 {
		err := sys.DropFromBoundingSet(uint8(c))
		if errors.Is(err, syscall.EINVAL) {
			return nil // the kernel knows no higher number
		}
		if err != nil {
			return fmt.Errorf("drop %s from the bounding set: %w", c, err)
		}
	}
	return nil
}

// SetNoNewPrivs sets no_new_privs on the calling thread.
func SetNoNewPrivs() error {
	if err := sys.SetNoNewPrivs(); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// OnDroppedThread calls fn on a thread that has given up every capability, and
// that ends afterwards.
func OnDroppedThread(fn func() error) error {
	_, err := onDoomedThread(func() (struct{}, error) {
		if err := sys.Capset(sys.Sets{}); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, fn()
	})
	return err
}

// OnOwnNetwork calls fn on a thread that has left the network namespace of the
// process for a new one, and that ends afterwards. CAP_SYS_ADMIN must be
// permitted; it is effective while the namespace is made.
func OnOwnNetwork(fn func() error) error {
	_, err := onDoomedThread(func() (struct{}, error) {
		before, err := sys.Capget()
		if err != nil {
			return struct{}{}, err
		}
		raised := before
		raised.Effective |= uint64(capset.Of(capset.SysAdmin))
		err = errors.Join(sys.Capset(raised), syscall.Unshare(syscall.CLONE_NEWNET), sys.Capset(before))
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, fn()
	})
	return err
}
