// Package sandbox runs a test binary in namespaces of its own, so that the
// kernel cleans up behind it.
//
// Container runtimes leave processes, mounts, bridges and firewall rules behind
// when the test that drives them panics, times out or is interrupted. Here
// three processes of the same binary share the work:
//
//	guard  stays outside, waits, and removes what the kernel does not (cgroups)
//	init   is PID 1 of the new namespaces, mounts /proc and reaps orphans
//	tests  runs the tests
//
// When init ends, the kernel kills everything in the pid namespace; with the
// last process go the mounts and the networks.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	stageVar = "CAPWISE_E2E_STAGE"
	dirVar   = "CAPWISE_E2E_DIR"
)

// Dir is where tests keep their files: a tmpfs that vanishes with the sandbox,
// reachable for every user. It is neither below /tmp nor below /run, which
// systemd and its units hide behind mounts of their own. It is empty outside of
// a sandbox.
func Dir() string { return os.Getenv(dirVar) }

// CgroupName is the name of every cgroup that tests create directly below the
// root of a hierarchy. The guard removes the cgroups of that name.
func CgroupName() string { return filepath.Base(Dir()) }

// Run calls tests inside of a sandbox, and directly where the caller is not
// root and so can't make one. It returns the exit code for the process.
func Run(tests func() int) int {
	if os.Geteuid() != 0 {
		return tests()
	}
	var code int
	var err error
	switch os.Getenv(stageVar) {
	case "":
		code, err = guard()
	case "init":
		code, err = initProcess()
	default:
		return tests()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	return code
}

// guard starts init in new namespaces and cleans up once it is gone.
func guard() (int, error) {
	if err := sweep(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return 0, err
	}
	lock, err := hold(dir)
	if err != nil {
		return 0, errors.Join(err, os.Remove(dir))
	}
	code, err := startInit(dir)
	return code, errors.Join(err, remove(dir), lock.Close())
}

// startInit runs init until it ends, or until somebody interrupts this process.
func startInit(dir string) (int, error) {
	cmd, err := again("init", dir)
	if err != nil {
		return 0, err
	}
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		for range signals {
			_ = cmd.Process.Kill() // gone already is as good
		}
	}()
	return exitCode(cmd.Wait())
}

// initProcess prepares the new namespaces, starts the tests and reaps orphans
// until the tests have ended.
func initProcess() (int, error) {
	if err := prepare(Dir()); err != nil {
		return 0, err
	}
	cmd, err := again("tests", Dir())
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("waiting for the tests: %w", err)
		}
		if pid != cmd.Process.Pid {
			continue
		}
		if status.Signaled() {
			return 0, fmt.Errorf("the tests ended by signal: %v", status.Signal())
		}
		return status.ExitStatus(), nil
	}
}

// prepare makes mounts private, mounts what belongs to the new namespaces, and
// brings up the loopback interface.
func prepare(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	hidden := []string{dir, "/run"}
	// Podman keeps a cache here, whatever root it is told.
	if _, err := os.Stat("/var/lib/containers"); err == nil {
		hidden = append(hidden, "/var/lib/containers")
	}
	// No nosuid: file capabilities must count here.
	for _, target := range hidden {
		if err := unix.Mount("tmpfs", target, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mounting a tmpfs on %s: %w", target, err)
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
}

// again is this program again, under its own name.
func again(stage, dir string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Env = append(os.Environ(), stageVar+"="+stage, dirVar+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd, nil
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	return 0, err
}
