//go:build !linux

// Package hostfs lets package lookup look programs up in a directory of this
// machine.
package hostfs

import (
	"errors"

	"github.com/capwise/capwise/scenario"
)

// Files is the file system below a directory.
type Files struct{}

// New returns a file system in which nothing can be found: only Linux has file
// capabilities.
func New(string) Files { return Files{} }

// Below returns the same.
func (f Files) Below(string) Files { return f }

// String implements [scenario.Files].
func (Files) String() string { return "this machine" }

// Stat returns [errors.ErrUnsupported].
func (Files) Stat(string) (scenario.FileInfo, error) {
	return scenario.FileInfo{}, errors.ErrUnsupported
}

// Head returns [errors.ErrUnsupported].
func (Files) Head(string, int) ([]byte, error) { return nil, errors.ErrUnsupported }
