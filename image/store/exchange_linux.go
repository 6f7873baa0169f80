package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange swaps what two names lead to, at once (renameat2(2), RENAME_EXCHANGE).
// Where the file system cannot, the error is [errors.ErrUnsupported].
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) { // renameat2(2): the file system does not support the flag
		return errors.ErrUnsupported
	}
	return err
}
