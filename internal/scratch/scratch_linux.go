package scratch

import (
	"os"
	"syscall"
)

// oTmpfile is O_TMPFILE of open(2), without the O_DIRECTORY that it includes.
const oTmpfile = 0o20000000

// unnamed opens a file in a folder that has no name from the beginning.
func unnamed(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|oTmpfile|syscall.O_DIRECTORY, 0o600)
}
