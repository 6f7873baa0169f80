//go:build linux && !capwise_exact

package sys

import "syscall"

// Environ returns the environment, without duplicates. With the build tag
// capwise_exact it is that of the process's start.
func Environ() []string { return syscall.Environ() }

// RestoreSignals does nothing: only with the build tag capwise_exact can it be
// known which signals were ignored or blocked when the process was started.
func RestoreSignals() error { return nil }
