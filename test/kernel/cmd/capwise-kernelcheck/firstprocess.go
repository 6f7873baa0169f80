package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// asInit makes of a machine with nothing but this program one that can be
// checked, and starts the check as another process: from Linux 7 on, threads of
// the first one lose their root directory when one of them leaves its mount
// namespace.
func asInit(args []string) error {
	err := errors.Join(
		os.MkdirAll("/proc", 0o755), os.MkdirAll("/tmp", 0o755),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
	)
	if err != nil {
		return fmt.Errorf("as the first process: %w", err)
	}
	check := exec.Command("/proc/self/exe", args...)
	check.Stdin, check.Stdout, check.Stderr = os.Stdin, os.Stdout, os.Stderr
	return check.Run()
}

// powerOff ends the machine. It does not return.
func powerOff() {
	err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Fprintln(os.Stderr, "capwise-kernelcheck: power off:", err)
}

const suidDumpable = "/proc/sys/fs/suid_dumpable"

// setSuidDumpable sets the sysctl, unless n is negative, and returns what sets
// it back.
func setSuidDumpable(n int) (restore func(), err error) {
	if n < 0 {
		return func() {}, nil
	}
	before, err := os.ReadFile(suidDumpable)
	if err != nil {
		return nil, err
	}
	restore = func() {
		if err := os.WriteFile(suidDumpable, before, 0); err != nil {
			fmt.Fprintln(os.Stderr, "capwise-kernelcheck: set it back:", err)
		}
	}
	return restore, os.WriteFile(suidDumpable, []byte(strconv.Itoa(n)), 0)
}
