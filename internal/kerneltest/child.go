//go:build linux

// Package kerneltest lets a test start copies of itself as the kernel's
// subjects: with file capabilities, as another user, in a network namespace
// of their own, with a smaller bounding set. Only tests import it.
package kerneltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
)

// UID is the user and group id of children that do not run as root.
const UID = 65532

// childVar names the environment variable that makes a copy of the test
// binary call a role instead of running tests.
const childVar = "CAPWISE_TEST_ROLE"

// Main runs the role that the environment names, or else the tests. A role
// gets the child's arguments; what it returns is written to standard output as
// JSON.
func Main(m *testing.M, roles map[string]func(args []string) any) {
	name := os.Getenv(childVar)
	if name == "" {
		os.Exit(m.Run())
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "kerneltest: no role %q\n", name)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(role(os.Args[1:])); err != nil {
		fmt.Fprintln(os.Stderr, "kerneltest:", err)
		os.Exit(1)
	}
}

// Child says how a copy of the test binary is started. The zero value is a
// child with uid and gid UID, no file capabilities, a full bounding set, in a
// network namespace of its own with the loopback interface up.
type Child struct {
	FileCaps string // libcap's text; "" for none
	RootID   uint32 // of FileCaps, if they count in another user namespace
	Root     bool   // run as root instead of UID
	// PortStart is ip_unprivileged_port_start of the network namespace.
	PortStart     int
	EmptyBounding bool
	NoNewPrivs    bool
	Ambient       []uintptr // capabilities made ambient before exec
	Nosuid        bool      // put the copy on a mount with nosuid
	NewUser       bool      // run in a new user namespace, which does not own the network
	Shell         bool      // start it from a shell that waits for it
	// Through, where set, is given the path of the copy and returns the command
	// line, without the child's arguments, that is started instead.
	Through func(t testing.TB, path string) []string
	Env     []string
}

// Run starts the child in the given role and decodes what it returned into
// result. It fails the test if the child does not come to that.
func (c Child) Run(t testing.TB, role string, result any, args ...string) {
	t.Helper()
	out, stderr, err := c.output(t, role, args)
	if err != nil {
		t.Fatalf("%s %q %+v: %v\n%s", role, args, c, err, stderr)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%s %q %+v: printed %q: %v", role, args, c, out, err)
	}
}

// Dies starts the child in a role that must not come to its end, and returns
// what it wrote to standard error before it exited with the code. It fails the
// test if the child printed anything, as what runs on after its death does.
func (c Child) Dies(t testing.TB, role string, code int, args ...string) string {
	t.Helper()
	out, stderr, err := c.output(t, role, args)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code || len(out) != 0 {
		t.Fatalf("%s %q %+v: printed %q, ended with %v\n%s\nwant exit code %d, and nothing printed", role, args, c, out, err, stderr, code)
	}
	return stderr
}

// output runs the child on a thread that ends afterwards.
func (c Child) output(t testing.TB, role string, args []string) (stdout []byte, stderr string, err error) {
	t.Helper()
	need.Root(t)
	path := c.copySelf(t)
	argv := append([]string{path}, args...)
	if c.Through != nil {
		argv = append(c.Through(t, path), args...)
	}
	stdout, err = onDoomedThread(func() ([]byte, error) {
		var out []byte
		out, stderr, err = c.start(filepath.Dir(path), role, argv)
		return out, err
	})
	return stdout, stderr, err
}

// copySelf puts a copy of the test binary where any user may execute it.
func (c Child) copySelf(t testing.TB) string {
	t.Helper()
	path := filepath.Join(PublicDir(t, ""), "child")
	if err := copyFile("/proc/self/exe", path); err != nil {
		t.Fatal(err)
	}
	if c.FileCaps != "" {
		caps, err := filecap.FromText(c.FileCaps)
		if err != nil {
			t.Fatal(err)
		}
		if c.RootID != 0 {
			caps.Revision, caps.RootID = filecap.V3, c.RootID
		}
		if err := filecap.Set(path, caps); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// copyFile copies the test binary. No child is forked meanwhile: it would hold
// the new file open for writing for a moment, and the kernel executes no such
// file (golang/go#22315).
func copyFile(from, to string) (err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// onDoomedThread calls fn on a thread that ends afterwards, so that fn may
// change its namespaces and capabilities.
func onDoomedThread[T any](fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ch := make(chan result)
	go func() {
		runtime.LockOSThread()
		value, err := fn()
		ch <- result{value, err}
	}()
	r := <-ch
	return r.value, r.err
}

// start prepares the calling thread and runs the child from it.
func (c Child) start(dir, role string, argv []string) (stdout []byte, stderr string, err error) {
	if err := c.prepareThread(dir); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if c.Shell {
		// A second command keeps the shell from replacing itself.
		cmd = exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `"$0" "$@"; exit $?`}, argv...)...)
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childVar+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.SysProcAttr = c.attributes()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err = cmd.Output()
	return stdout, errs.String(), err
}

func (c Child) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{AmbientCaps: c.Ambient, Pdeathsig: syscall.SIGKILL}
	if !c.Root {
		attr.Credential = &syscall.Credential{Uid: UID, Gid: UID}
	}
	if c.NewUser {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: UID, HostID: UID, Size: 1}}
		attr.GidMappings = attr.UidMappings
	}
	return attr
}

// prepareThread gives the calling thread, and so the child, its surroundings.
func (c Child) prepareThread(dir string) error {
	if err := syscall.Unshare(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if c.Nosuid {
		if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind mount: %w", err)
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_NOSUID, ""); err != nil {
			return fmt.Errorf("remount nosuid: %w", err)
		}
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte(strconv.Itoa(c.PortStart)), 0); err != nil {
		return err
	}
	if c.EmptyBounding {
		if err := dropBounding(); err != nil {
			return err
		}
	}
	if c.NoNewPrivs {
		return SetNoNewPrivs()
	}
	return nil
}
