package sys

import "syscall"

// Raise makes the capabilities of the set caps effective on the calling thread,
// to which the caller has locked its goroutine. raised is false if they were
// effective already. The error is EPERM where they are not permitted, also from
// the kernel.
func Raise(caps uint64) (raised bool, err error) {
	sets, err := Capget()
	switch {
	case err != nil:
		return false, err
	case sets.Effective&caps == caps:
		return false, nil
	case sets.Permitted&caps != caps:
		return false, syscall.EPERM
	}
	sets.Effective |= caps
	if err := Capset(sets); err != nil {
		return false, err
	}
	return true, nil
}

// Lower takes the capabilities from the calling thread's effective set. What else
// became of its sets since Raise stays.
func Lower(caps uint64) error {
	sets, err := Capget()
	if err != nil {
		return err
	}
	sets.Effective &^= caps
	return Capset(sets)
}
