//go:build !linux

package process

import (
	"errors"

	"github.com/capwise/capwise/scenario"
)

// Of returns [errors.ErrUnsupported]: only Linux has such processes.
func Of(int) (scenario.Start, error) { return scenario.Start{}, errors.ErrUnsupported }

// Host returns [errors.ErrUnsupported]: only Linux has such processes.
func Host([]string) (scenario.Start, error) { return scenario.Start{}, errors.ErrUnsupported }
