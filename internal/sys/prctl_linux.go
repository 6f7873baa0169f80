package sys

import "syscall"

// Options of prctl(2), from <linux/prctl.h>.
const (
	prGetDumpable     = 3
	prGetSeccomp      = 21
	prCapbsetRead     = 23
	prCapbsetDrop     = 24
	prGetSecurebits   = 27
	prSetSecurebits   = 28
	prSetNoNewPrivs   = 38
	prGetNoNewPrivs   = 39
	prCapAmbient      = 47
	prCapAmbientIsSet = 1
	prCapAmbientRaise = 2
)

func prctl(option int, arg2, arg3 uintptr) (int, error) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, uintptr(option), arg2, arg3, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

// InBoundingSet reports whether the calling thread's bounding set holds
// capability c, PR_CAPBSET_READ; EINVAL if the kernel does not know c.
func InBoundingSet(c uint8) (bool, error) {
	r, err := prctl(prCapbsetRead, uintptr(c), 0)
	return r == 1, err
}

// InAmbientSet reports whether the calling thread's ambient set holds
// capability c, PR_CAP_AMBIENT_IS_SET; EINVAL if the kernel does not know c.
func InAmbientSet(c uint8) (bool, error) {
	r, err := prctl(prCapAmbient, prCapAmbientIsSet, uintptr(c))
	return r == 1, err
}

// NoNewPrivs reports the calling thread's no_new_privs, PR_GET_NO_NEW_PRIVS.
func NoNewPrivs() (bool, error) {
	r, err := prctl(prGetNoNewPrivs, 0, 0)
	return r == 1, err
}

// Securebits returns the calling thread's securebits(7), PR_GET_SECUREBITS.
func Securebits() (int, error) { return prctl(prGetSecurebits, 0, 0) }

// SeccompMode returns 0 without and 2 with a seccomp(2) filter, PR_GET_SECCOMP.
func SeccompMode() (int, error) { return prctl(prGetSeccomp, 0, 0) }

// Dumpable returns the process's dumpable attribute, PR_GET_DUMPABLE.
func Dumpable() (int, error) { return prctl(prGetDumpable, 0, 0) }

// DropFromBoundingSet takes capability c from the calling thread's bounding set,
// PR_CAPBSET_DROP; EINVAL if the kernel does not know c.
func DropFromBoundingSet(c uint8) error {
	_, err := prctl(prCapbsetDrop, uintptr(c), 0)
	return err
}

// RaiseAmbient adds capability c to the calling thread's ambient set,
// PR_CAP_AMBIENT_RAISE; EPERM unless c is permitted and inheritable.
func RaiseAmbient(c uint8) error {
	_, err := prctl(prCapAmbient, prCapAmbientRaise, uintptr(c))
	return err
}

// SetSecurebits replaces the calling thread's securebits(7), PR_SET_SECUREBITS.
func SetSecurebits(bits uint32) error {
	_, err := prctl(prSetSecurebits, uintptr(bits), 0)
	return err
}

// SetNoNewPrivs sets no_new_privs on the calling thread, for good,
// PR_SET_NO_NEW_PRIVS.
func SetNoNewPrivs() error {
	_, err := prctl(prSetNoNewPrivs, 1, 0)
	return err
}
