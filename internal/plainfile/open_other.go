//go:build !linux

package plainfile

import "os"

const nonblock = 0

// Open opens a regular file. Symbolic links are followed.
func Open(name string) (*os.File, error) {
	before, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if err := wanted(name, before); err != nil {
		return nil, err
	}
	return checked(name, before, func() (*os.File, error) { return os.Open(name) })
}

// OpenRoot is [os.OpenRoot].
func OpenRoot(dir string) (*os.Root, error) { return os.OpenRoot(dir) }
