//go:build linux && capwise_exact

package sys

import (
	"syscall"
	"unsafe"
)

// What the Go runtime found when the process was started, and then changed. It
// keeps it in variables that the linker lets nobody name, hence the build tag:
// it goes with -ldflags=-checklinkname=0. A toolchain without one of them makes
// the build fail, or the tests that compare.

//go:linkname runtimeArgc runtime.argc
var runtimeArgc int32

//go:linkname runtimeArgv runtime.argv
var runtimeArgv **byte

// numSignals is _NSIG of the runtime, on every architecture but MIPS.
const numSignals = 65

//go:linkname runtimeFwdSig runtime.fwdSig
var runtimeFwdSig [numSignals]uintptr

//go:linkname runtimeInitSigmask runtime.initSigmask
var runtimeInitSigmask [2]uint32

// Args returns the arguments that the process was started with.
func Args() []string { return stringsAt(0, int(runtimeArgc)) }

// Environ returns the environment that the process was started with: also
// duplicates, strings without "=", and the GOTRACEBACK that the Go runtime
// replaces by "none", or adds, where AT_SECURE is set.
func Environ() []string { return stringsAt(int(runtimeArgc)+1, -1) }

// stringsAt reads n strings, or all up to the null pointer, from the vector that
// the kernel puts on the stack: arguments, null, environment, null.
func stringsAt(first, n int) []string {
	var out []string
	for i := 0; i != n; i++ {
		p := *(**byte)(unsafe.Add(unsafe.Pointer(runtimeArgv), uintptr(first+i)*unsafe.Sizeof(runtimeArgv)))
		if p == nil {
			break
		}
		length := 0
		for *(*byte)(unsafe.Add(unsafe.Pointer(p), length)) != 0 {
			length++
		}
		out = append(out, unsafe.String(p, length))
	}
	return out
}

const (
	sigIgn     = 1 // SIG_IGN of <signal.h>
	sigSetmask = 2 // SIG_SETMASK, on every architecture but MIPS and SPARC
	sigsetSize = 8
)

// RestoreSignals ignores the signals that were ignored, and blocks those that
// were blocked on the calling thread, when the process was started:
// rt_sigaction(2), rt_sigprocmask(2). The Go runtime handles nearly all signals,
// and execve(2) turns what is handled into the default. The process is fit for
// nothing but execve(2) afterwards.
func RestoreSignals() error {
	ignore := [8]uintptr{sigIgn} // a struct sigaction, whatever its layout: the handler comes first
	for sig, handler := range runtimeFwdSig {
		if handler != sigIgn {
			continue
		}
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&ignore)), 0, sigsetSize, 0, 0)
		if errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigSetmask, uintptr(unsafe.Pointer(&runtimeInitSigmask)), 0, sigsetSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
