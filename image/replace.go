package image

import (
	"errors"
	"io/fs"
	"os"
)

// moveAside is replace where two names cannot be exchanged at once: what is
// at to is moved beside from first, and back again if from cannot follow.
func moveAside(from, to string) error {
	old := from + ".old"
	if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Rename(from, to)
	if err != nil {
		_ = os.Rename(old, to)
	}
	return err
}
