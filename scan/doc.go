// Package scan finds files with capabilities and says what becomes of them:
// those that will not start once a capability is dropped, those that could do
// better, and what was lost.
//
// [Tree] walks directories; [Judge] gives a file its [Verdict].
package scan

import "fmt"

// pathError names the path of a failed system call.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return fmt.Sprintf("%s: %v", e.path, e.err) }
func (e *pathError) Unwrap() error { return e.err }
