package launch

import (
	"errors"
	"strings"

	"github.com/capwise/capwise/capset"
)

// Config is what a launcher was made for.
type Config struct {
	Caps
	// Target is the one program that is started: an absolute path without ".",
	// ".." or symbolic links in it.
	Target string
	// Owner is the user besides root to whom the target and the folders above it
	// may belong. That user can give the capabilities to any program, if they are
	// given by [Ambient].
	Owner uint32
	// By is how the target gets the capabilities.
	By Means
}

// TargetSuffix ends the name under which capwise puts a program beside its launcher.
const TargetSuffix = ".capwise"

// Means is how a launcher's target gets its capabilities.
type Means uint8

const (
	// Ambient makes them ambient. The target needs nothing on its file, and the
	// programs that it starts have them, too. It is neither AT_SECURE nor
	// protected from who started it.
	Ambient Means = iota
	// File makes them inheritable, and the target's own file, which carries them
	// as inheritable and effective (=ei), gives them again: to the target alone,
	// with the protection that the kernel gives a program whose file carries +ep.
	// Writing to the file takes them away. Scripts can't carry them. Caps can only
	// be preferred.
	File
)

// Where the parts of a block are; docs/launcher.md has the format. All numbers
// are little-endian, and what no part covers is zero.
const (
	// BlockSize is the length of a Config in a launcher, with its marker.
	BlockSize = 4096

	atVersion  = 16
	atMeans    = 17
	atOwner    = 20
	atRequire  = 24
	atPrefer   = 32
	atNever    = 40
	atLength   = 48
	atChecksum = 56
	atTarget   = 64

	version = 1
	// MaxTarget is the greatest length of a target's path.
	MaxTarget = BlockSize - atTarget
)

var (
	errMarker    = errors.New("not the configuration of a launcher")
	errUnstamped = errors.New("this launcher was not made for any program yet")
	errDamaged   = errors.New("the configuration of this launcher is damaged")
)

// MarshalBinary returns the block that stands for c, or an error if c is not a
// Config that a launcher may have.
func (c Config) MarshalBinary() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := emptyBlock()
	b[atVersion], b[atMeans] = version, byte(c.By)
	put(b, atOwner, 4, uint64(c.Owner))
	put(b, atRequire, 8, uint64(c.Require))
	put(b, atPrefer, 8, uint64(c.Prefer))
	put(b, atNever, 8, uint64(c.Never))
	put(b, atLength, 2, uint64(len(c.Target)))
	copy(b[atTarget:], c.Target)
	put(b, atChecksum, 8, checksum(b))
	return b, nil
}

// UnmarshalBinary reads a block. It accepts only what MarshalBinary writes; any
// other byte is an error.
func (c *Config) UnmarshalBinary(b []byte) error {
	if len(b) != BlockSize || !hasMarker(b) {
		return errMarker
	}
	if string(b) == string(emptyBlock()) {
		return errUnstamped
	}
	length := int(get(b, atLength, 2))
	if length > MaxTarget {
		return errDamaged
	}
	var read Config
	read.By = Means(b[atMeans])
	read.Owner = uint32(get(b, atOwner, 4))
	read.Require = capset.Set(get(b, atRequire, 8))
	read.Prefer = capset.Set(get(b, atPrefer, 8))
	read.Never = capset.Set(get(b, atNever, 8))
	read.Target = string(b[atTarget : atTarget+length])
	again, err := read.MarshalBinary() // with the version and the checksum
	if err != nil || string(again) != string(b) {
		return errDamaged
	}
	*c = read
	return nil
}

// check reports what is wrong with c.
func (c Config) check() error {
	switch {
	case !c.disjoint():
		return errors.New("a capability is in two of the sets require, prefer and never")
	case c.By > File:
		return errors.New("the capabilities are given by no known means")
	case c.By == File && c.Require != 0:
		return errors.New("what the target's file gives can only be preferred")
	case len(c.Target) < 2 || c.Target[0] != '/' || len(c.Target) > MaxTarget:
		return errors.New("the target is not an absolute path to a file")
	case strings.IndexByte(c.Target, 0) >= 0:
		return errors.New("the target has a zero byte in its path")
	}
	for name := range strings.SplitSeq(c.Target[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return errors.New(`the target's path has an empty part, "." or ".." in it`)
		}
	}
	return nil
}

func emptyBlock() []byte {
	b := make([]byte, BlockSize)
	putMarker(b)
	return b
}

// putMarker computes the marker at the start of a block, so that a program with
// this code in it does not contain the marker, but only one with a block.
func putMarker(b []byte) {
	x := uint64(0x63617077697365) // "capwise"
	for i := range atVersion {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
}

func hasMarker(b []byte) bool {
	var marker [atVersion]byte
	putMarker(marker[:])
	return string(b[:atVersion]) == string(marker[:])
}

// checksum is FNV-1a, 64 bits, of the block without its marker and checksum. It
// finds damage, not intent: who may write to the file needs no checksum to lie.
func checksum(b []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i, c := range b[atVersion:] {
		if at := atVersion + i; at >= atChecksum && at < atTarget {
			continue
		}
		h = (h ^ uint64(c)) * prime
	}
	return h
}

// put and get are package encoding/binary, which would add package reflect.
func put(b []byte, at, size int, value uint64) {
	for i := range size {
		b[at+i] = byte(value >> (8 * i))
	}
}

func get(b []byte, at, size int) uint64 {
	var value uint64
	for i := range size {
		value |= uint64(b[at+i]) << (8 * i)
	}
	return value
}
