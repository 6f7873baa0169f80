package main

import (
	"os"
	"strings"

	"github.com/capwise/capwise/law"
)

// hostKernel returns what the running kernel does.
func hostKernel() (law.Kernel, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return law.Kernel{}, err
	}
	k, _, err := law.KernelOf(strings.TrimSpace(string(release)))
	return k, err
}
