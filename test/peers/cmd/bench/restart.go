package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/capwise/capwise/filecap"
)

// unprivileged is the user that the measured code runs as.
const unprivileged = 65532

// restart runs a copy of this program that carries CAP_NET_BIND_SERVICE as
// permitted, as an unprivileged user in a new network namespace.
func restart(verb string) error {
	if os.Geteuid() != 0 {
		return errors.New("must run as root, to start itself with a file capability and as another user")
	}
	dir, err := os.MkdirTemp("", "capwise-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "bench")
	if err := copyProgram("/proc/self/exe", path); err != nil {
		return err
	}
	caps, err := filecap.FromText("cap_net_bind_service=p")
	if err != nil {
		return err
	}
	if err := filecap.Set(path, caps); err != nil {
		return err
	}
	cmd := exec.Command(path, verb)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET, // in which ip_unprivileged_port_start is 1024
		Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged},
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return nil
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // opened for reading
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// copies runs f with copies of two programs, in a folder of their own: a file that a
// linker has written starts up to 6 % slower than its copy.
func copies(one, other string, f func(dir, one, other string) error) (err error) {
	dir, err := os.MkdirTemp("", "capwise-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if err := errors.Join(copyProgram(one, first), copyProgram(other, second)); err != nil {
		return err
	}
	return f(dir, first, second)
}
