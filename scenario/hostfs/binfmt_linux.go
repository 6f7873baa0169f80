package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/scenario/lookup"
)

var _ lookup.Registry = Files{}

// miscDir is where the kernel shows what binfmt_misc has registered, where that
// is mounted.
const miscDir = "/proc/sys/fs/binfmt_misc"

// Misc implements [lookup.Registry]: what counts for this machine counts for a
// container's root below it, too.
func (f Files) Misc() ([]lookup.Misc, error) { return readMisc(miscDir) }

// readMisc reads the registrations in the order in which the folder has them,
// which is that of the kernel's list: the newest first.
func readMisc(dir string) ([]lookup.Misc, error) {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !built():
		return nil, nil // the kernel has no binfmt_misc
	case err != nil:
		return nil, err
	case strings.TrimSpace(string(status)) != "enabled":
		return nil, nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // opened for reading
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []lookup.Misc
	for _, name := range names {
		if name == "register" || name == "status" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		m, err := lookup.ParseMisc(name, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// built reports whether the kernel has binfmt_misc, or might.
func built() bool {
	text, err := os.ReadFile("/proc/filesystems")
	return err != nil || strings.Contains(string(text), "\tbinfmt_misc\n")
}
