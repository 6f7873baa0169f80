package launch

import (
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/sys"
)

// Check reports why a launcher with this Config would refuse to give its
// capabilities to the file at path, which can stand for a target that is not in
// its place yet; nil if it would not. The error is an [*Error].
func (c Config) Check(path string) error { return checkTarget(path, c.Owner) }

// CheckFolder is [Config.Check] for a file that is yet to come, in the folder at
// path.
func (c Config) CheckFolder(path string) error {
	return checkPath(strings.TrimSuffix(path, "/"), c.Owner, false)
}

// checkTarget reports, as an [*Error], why the file at path may not be given
// capabilities. It goes down from the root directory and holds each folder, and
// the file, to this: no symbolic link, it belongs to root or the owner, and
// nobody else may write to it; or, for a folder, it is sticky, so that nobody else
// may replace what belongs to those two. The file is a regular one.
//
// What is at the path therefore changes between this and execve(2) only by a
// doing of root or the owner, which is why the path suffices then, and the
// program keeps its name in /proc/PID/comm and works as a script.
func checkTarget(path string, owner uint32) error { return checkPath(path, owner, true) }

// checkPath is checkTarget for a path that is a file's, or a folder's.
func checkPath(path string, owner uint32, isFile bool) error {
	fd, err := syscall.Open("/", sys.OPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failed("/", err)
	}
	for at := 0; ; {
		if err := checkDescriptor(fd, path[:at], owner, isFile && at == len(path)); err != nil || at == len(path) {
			_ = syscall.Close(fd) // it was never open for anything
			return err
		}
		name, _, _ := strings.Cut(path[at+1:], "/")
		at += 1 + len(name)
		next, err := syscall.Openat(fd, name, sys.OPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		_ = syscall.Close(fd)
		if err != nil {
			return notExecuted(path[:at], err)
		}
		fd = next
	}
}

// checkDescriptor is checkPart for what a descriptor with O_PATH stands for.
func checkDescriptor(fd int, path string, owner uint32, last bool) error {
	if path == "" {
		path = "/"
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return failed(path, err)
	}
	if err := checkPart(st.Mode, st.Uid, owner, last); err != nil {
		return failed(path, err)
	}
	return nil
}
