//go:build unix

package facts

import (
	"io/fs"
	"os"
	"syscall"
)

// ownOrRoots reports whether a folder belongs to the caller or to root.
func ownOrRoots(info fs.FileInfo) bool {
	if info == nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || own(info))
}

// own reports whether a folder is the caller's.
func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
