package cred

import (
	"errors"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// Current returns the sets of the calling thread by system calls alone. Unless
// the goroutine is locked to its thread ([runtime.LockOSThread]), that thread
// may be another one by the time Current returns.
func Current() (Sets, error) {
	k, err := sys.Capget()
	if err != nil {
		return Sets{}, err
	}
	s := Sets{
		Inheritable: capset.Set(k.Inheritable),
		Permitted:   capset.Set(k.Permitted),
		Effective:   capset.Set(k.Effective),
	}
	if s.Bounding, err = probe(sys.InBoundingSet); err != nil {
		return Sets{}, err
	}
	if s.Ambient, err = probe(sys.InAmbientSet); err != nil {
		return Sets{}, err
	}
	return s, nil
}

// probe asks for each capability until the kernel answers EINVAL: it does not
// know that number, nor any above.
func probe(has func(c uint8) (bool, error)) (capset.Set, error) {
	var s capset.Set
	for c := range capset.MaxCap + 1 {
		ok, err := has(uint8(c))
		if errors.Is(err, syscall.EINVAL) {
			break
		}
		if err != nil {
			return 0, err
		}
		if ok {
			s |= capset.Of(c)
		}
	}
	return s, nil
}
