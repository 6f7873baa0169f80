package capwise

import (
	"errors"

	"github.com/capwise/capwise/capset"
)

// do is [Do] on Linux.
func do(c capset.Cap, need Need, fn func() error) error {
	var err error
	lowering := onThread(c, func(t *thread) {
		if err = t.raise(); err == nil || need == Prefer {
			err = fn()
		}
	})
	if lowering != nil {
		return errors.Join(lowering, err)
	}
	return err
}
