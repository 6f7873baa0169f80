package sys

import "syscall"

// Die ends the process with exit code 2, as a fatal error of the runtime does:
// no deferred function runs, and nothing can recover. It is for a thread that
// keeps a capability which nothing may run with.
func Die(message string) {
	_, _ = syscall.Write(2, []byte(message)) // there is nobody to tell
	for {
		syscall.Exit(2)
	}
}
