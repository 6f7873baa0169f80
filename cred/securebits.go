package cred

import "strings"

// Securebits is the securebits(7) flags of a thread, as PR_GET_SECUREBITS
// returns them: SECBIT_* of <linux/securebits.h>. Each flag has a lock, its
// own bit shifted left by one.
type Securebits uint32

// The flags without their locks.
const (
	// NoRoot: user id 0 gives nothing at execve(2).
	NoRoot Securebits = 1 << 0
	// NoSetuidFixup: changing user ids leaves the capability sets alone.
	NoSetuidFixup Securebits = 1 << 2
	// KeepCaps: giving up user id 0 leaves the permitted set alone. execve(2)
	// clears it.
	KeepCaps Securebits = 1 << 4
	// NoCapAmbientRaise: nothing can be added to the ambient set.
	NoCapAmbientRaise Securebits = 1 << 6
)

// Locked returns the flags with their locks.
func (b Securebits) Locked() Securebits { return b | b<<1 }

// securebitNames holds the words of systemd.exec(5) and setpriv(1).
var securebitNames = []struct {
	bit  Securebits
	name string
}{
	{NoRoot, "noroot"},
	{NoRoot << 1, "noroot-locked"},
	{NoSetuidFixup, "no-setuid-fixup"},
	{NoSetuidFixup << 1, "no-setuid-fixup-locked"},
	{KeepCaps, "keep-caps"},
	{KeepCaps << 1, "keep-caps-locked"},
	{NoCapAmbientRaise, "no-cap-ambient-raise"},
	{NoCapAmbientRaise << 1, "no-cap-ambient-raise-locked"},
}

// ParseSecurebit reads one flag as systemd.exec(5) writes it, such as
// "noroot-locked".
func ParseSecurebit(name string) (Securebits, bool) {
	for _, b := range securebitNames {
		if b.name == name {
			return b.bit, true
		}
	}
	return 0, false
}

// String returns the flags' names, separated by spaces; "" for none.
func (b Securebits) String() string {
	var names []string
	for _, n := range securebitNames {
		if b&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}
