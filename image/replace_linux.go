package image

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// replace moves from to to. What was at to before is left at from, if it was
// a directory: rename(2) replaces files but no directory that holds some.
func replace(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(from, to)
	}
	return moveAside(from, to)
}
