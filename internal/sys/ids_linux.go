package sys

import "syscall"

// Gettid returns the id of the calling thread, gettid(2).
func Gettid() int { return syscall.Gettid() }

// Getpid returns the id of the process, which is that of its first thread.
func Getpid() int { return syscall.Getpid() }
