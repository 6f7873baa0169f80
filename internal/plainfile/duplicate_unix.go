//go:build unix

package plainfile

import (
	"io/fs"
	"os"
	"syscall"
)

// duplicate returns an open descriptor under another number. To open it by its
// name would wait for a writer that a pipe has had already.
func duplicate(name string, number int) (*os.File, error) {
	fd, err := syscall.Dup(number)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name), nil
}
