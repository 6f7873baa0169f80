// Package limit holds every bound on what capwise reads of others, with its
// words. docs/limits.md lists them, and a test holds the page to this package.
package limit

import (
	"fmt"
	"io"
	"strconv"
)

// Limit is the most that is taken of something.
type Limit struct {
	// Name is what the limit is called in the documentation.
	Name string
	// Most is how many there may be, of what What says.
	Most int64
	What string
}

// Error is what a reader says that has met more than a limit allows.
type Error struct{ Limit Limit }

// Error implements error: "more than 4096 bytes in a name".
func (e *Error) Error() string {
	return "more than " + strconv.FormatInt(e.Limit.Most, 10) + " " + e.Limit.What
}

// Check says whether n are within the limit.
func (l Limit) Check(n int64) error {
	if n > l.Most {
		return &Error{l}
	}
	return nil
}

// Within is [Limit.Check], which also names what was looked at.
func (l Limit) Within(what string, n int64) error {
	if err := l.Check(n); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ReadAll reads to the end, and no further than the limit, which counts bytes.
func (l Limit) ReadAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, l.Most+1))
	if err == nil {
		err = l.Check(int64(len(data)))
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
