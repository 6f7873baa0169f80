package launch

import (
	"strings"
	"syscall"
)

// oPath is O_PATH of open(2), the same on all architectures but Alpha, PA-RISC
// and SPARC.
const oPath = 0x200000

// Check reports why a launcher with this Config would refuse to give its
// capabilities to the file at path, which can stand for a target that is not in
// its place yet; nil if it would not. The error is an [*Error].
func (c Config) Check(path string) error { return checkTarget(path, c.Owner) }

// checkTarget reports, as an [*Error], why the file at path may not be given
// capabilities. It goes down from the root directory and holds each folder, and
// the file, to this: no symbolic link, it belongs to root or the owner, and
// nobody else may write to it; or, for a folder, it is sticky, so that nobody else
// may replace what belongs to those two. The file is a regular one.
//
// What is at the path therefore changes between this and execve(2) only by a
// doing of root or the owner, which is why the path suffices then, and the
// program keeps its name in /proc/PID/comm and works as a script.
func checkTarget(path string, owner uint32) error {
	fd, err := syscall.Open("/", oPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failed("/", err)
	}
	for at := 0; ; {
		var st syscall.Stat_t
		if err := syscall.Fstat(fd, &st); err != nil {
			return failed(path[:max(at, 1)], err)
		}
		if err := checkPart(st.Mode, st.Uid, owner, at == len(path)); err != nil {
			return failed(path[:max(at, 1)], err)
		}
		if at == len(path) {
			return syscall.Close(fd)
		}
		name, _, _ := strings.Cut(path[at+1:], "/")
		at += 1 + len(name)
		next, err := syscall.Openat(fd, name, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			return notExecuted(path[:at], err)
		}
		if err := syscall.Close(fd); err != nil {
			return failed(path[:at], err)
		}
		fd = next
	}
}
