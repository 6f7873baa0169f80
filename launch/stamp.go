package launch

import (
	"bytes"
	"errors"
)

// ErrNoLauncher says that a program is no launcher: it has no block in it, or
// more than one.
var ErrNoLauncher = errors.New("not a launcher of capwise")

// Find reads the Config out of a launcher. The error is [ErrNoLauncher] for any
// other program, and another one for a launcher whose Config is missing or
// damaged.
func Find(program []byte) (Config, error) {
	var c Config
	at, err := blockAt(program)
	if err != nil {
		return c, err
	}
	err = c.UnmarshalBinary(program[at : at+BlockSize])
	return c, err
}

// Stamp returns a copy of the launcher with the Config in it. Only the block
// changes, so that the same input gives the same bytes. A launcher that has a
// Config already gets the new one.
func Stamp(launcher []byte, c Config) ([]byte, error) {
	at, err := blockAt(launcher)
	if err != nil {
		return nil, err
	}
	block, err := c.MarshalBinary()
	if err != nil {
		return nil, err
	}
	out := bytes.Clone(launcher)
	copy(out[at:], block)
	return out, nil
}

// blockAt returns where the one block of a program is.
func blockAt(program []byte) (int, error) {
	marker := emptyBlock()[:atVersion]
	at := bytes.Index(program, marker)
	if at < 0 || at+BlockSize > len(program) || bytes.Contains(program[at+1:], marker) {
		return 0, ErrNoLauncher
	}
	return at, nil
}
