package sys

// Demote keeps CAP_NET_BIND_SERVICE as permitted only, on the calling thread, and
// takes it from the inheritable set, with which the kernel takes it from the
// ambient set. A program that raises it for each bind can do without, and its
// children then get none. It does nothing where the capability is not permitted.
//
// Package overlay builds it into package runtime, where it runs before there is
// another thread.
func Demote() error {
	sets, err := Capget()
	if err != nil || sets.Permitted&netBindService == 0 || (sets.Effective|sets.Inheritable)&netBindService == 0 {
		return err
	}
	sets.Effective &^= netBindService
	sets.Inheritable &^= netBindService
	return Capset(sets)
}
