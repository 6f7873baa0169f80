// Package execfile reads what execve(2) looks at on a file of this machine.
package execfile

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/law"
)

// Read reads the capabilities that a file of this machine carries, as the
// kernel shows them to the caller, and whether its mount has nosuid. It follows
// symbolic links. A file system without attributes has none.
func Read(path string) (law.File, error) {
	var file law.File
	switch caps, err := filecap.Get(path); {
	case err == nil:
		file.Caps, file.Foreign = caps, caps.Foreign()
	case errors.Is(err, filecap.ErrFormat):
		file.Malformed = true
	case errors.Is(err, syscall.EOVERFLOW):
		// The root id has no number here, so it is not this namespace's root, and
		// the kernel shows nothing of the attribute.
		file.Caps.Revision, file.Foreign = filecap.V3, true
	case !errors.Is(err, filecap.ErrNone) && !errors.Is(err, syscall.ENOTSUP):
		return file, err
	}
	nosuid, err := sys.MountedNosuid(path)
	if err != nil {
		return file, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	file.Nosuid = nosuid
	return file, nil
}
