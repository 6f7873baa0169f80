package cred

import (
	"fmt"
	"io/fs"
	"os"
)

// OfProcess reads the credentials of the process with the given id, which are
// those of its first thread: /proc/PID/status. The error is an [*fs.PathError]
// (the process is gone, /proc is hidden) or wraps [ErrStatus].
func OfProcess(pid int) (Credentials, error) {
	return open(fmt.Sprintf("/proc/%d/status", pid))
}

// OfThread reads the credentials of one thread of a process.
func OfThread(pid, tid int) (Credentials, error) {
	return open(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid))
}

func open(path string) (Credentials, error) {
	f, err := os.Open(path)
	if err != nil {
		return Credentials{}, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	c, err := ParseStatus(f)
	if err != nil {
		return Credentials{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return c, nil
}
