//go:build capwise_exact

// How many processors a cgroup allows is of no use to a process that lasts for a
// millisecond.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Capwise-launcher takes the place of a program that knows nothing of
// capabilities, and starts it with those that it was made for, where they are
// permitted. See docs/launcher.md. scripts/launchers.sh builds it; the build tag
// keeps it from being built so that it would not pass on all that it got.
package main

import (
	"syscall"

	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/launch"
)

// block is where launch.Stamp writes what this launcher is made for. So far it
// holds the marker by which that is found.
var block = [launch.BlockSize]byte{
	0x47, 0x83, 0x56, 0x3a, 0x67, 0xe5, 0xf0, 0xb8,
	0xb6, 0xbd, 0x3b, 0x90, 0xfa, 0x89, 0x48, 0xa7,
}

// Everything happens while packages are initialized: until then Go keeps this
// goroutine on the first thread, which has what prctl(2) sets for one thread only.
// To lock it by runtime.LockOSThread would start another thread, and there may be
// a limit to them.
func init() {
	err := launch.Pinned(block[:], sys.Args(), sys.Environ())
	code := launch.ExitFailed
	if e, ok := err.(*launch.Error); ok { //nolint:errorlint // package errors would add to the size
		code = e.Code
	}
	// Where standard error does not take it, the exit code has to do.
	_, _ = syscall.Write(2, []byte("capwise-launcher: "+printable.Line(err.Error())+"\n"))
	syscall.Exit(code)
}

func main() {} // is not reached
