package capset

import (
	"iter"
	"math/bits"
	"strings"
)

// Set is a set of capabilities: bit n stands for the capability with number n,
// as in the lines CapInh to CapAmb of /proc/PID/status. The zero Set is empty.
type Set uint64

// All holds the capabilities that have a name. It is what "all" means in the
// text form; a kernel may know fewer.
const All Set = 1<<len(names) - 1

// Of returns the set of the given capabilities.
func Of(caps ...Cap) Set {
	var s Set
	for _, c := range caps {
		s |= 1 << (c & MaxCap)
	}
	return s
}

// Has reports whether c is in s.
func (s Set) Has(c Cap) bool { return c <= MaxCap && s&(1<<c) != 0 }

// Contains reports whether every capability of t is in s.
func (s Set) Contains(t Set) bool { return t&^s == 0 }

// Len returns the number of capabilities in s.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// Caps yields the capabilities in s in ascending order.
func (s Set) Caps() iter.Seq[Cap] {
	return func(yield func(Cap) bool) {
		for rest := uint64(s); rest != 0; rest &= rest - 1 {
			if !yield(Cap(bits.TrailingZeros64(rest))) {
				return
			}
		}
	}
}

// String returns the names, separated by commas, in ascending order; "" for
// the empty set.
func (s Set) String() string {
	var b strings.Builder
	for c := range s.Caps() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(c.String())
	}
	return b.String()
}

// ParseSet reads what [Set.String] writes: names or numbers separated by
// commas, or "all". The empty text is the empty set. The error names the
// first part that could not be read.
func ParseSet(text string) (Set, error) {
	if text == "" {
		return 0, nil
	}
	var s Set
	for name := range strings.SplitSeq(text, ",") {
		if strings.EqualFold(name, "all") {
			s |= All
			continue
		}
		c, err := ParseCap(name)
		if err != nil {
			return 0, err
		}
		s |= Of(c)
	}
	return s, nil
}

// MarshalText returns what [Set.String] returns.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is [ParseSet].
func (s *Set) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSet(string(text))
	return err
}
