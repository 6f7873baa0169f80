//go:build unix

package facts

import (
	"io/fs"
	"os"
	"syscall"
)

// own reports whether a folder is the caller's.
func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
