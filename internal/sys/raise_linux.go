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
// became of its sets since Raise stays, also what becomes of them meanwhile: if
// they shrink after they were read (setuid(2) on all threads, say), the kernel
// refuses to set what they were, and they are read again.
func Lower(caps uint64) error {
	var before Sets
	for {
		sets, err := Capget()
		if err != nil || sets.Effective&caps == 0 {
			return err
		}
		lowered := sets
		lowered.Effective &^= caps
		if err = Capset(lowered); err == nil || sets == before {
			return err
		}
		before = sets
	}
}
