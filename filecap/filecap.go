// Package filecap reads and writes file capabilities: the extended attribute
// security.capability that setcap(8) sets, in the three revisions that Linux
// has had.
//
// [Parse] and [Caps.MarshalBinary] are pure and work on every system;
// [Get], [Set] and [Remove] open a file and work on Linux.
package filecap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/capwise/capwise/capset"
)

// Revision is the layout of the attribute, VFS_CAP_REVISION of
// <linux/capability.h>.
type Revision uint8

// The revisions and their lengths, which the kernel checks exactly
// (get_vfs_caps_from_disk in security/commoncap.c).
const (
	V1 Revision = 1 // 12 bytes: sets of 32 bits
	V2 Revision = 2 // 20 bytes: sets of 64 bits
	V3 Revision = 3 // 24 bytes: sets of 64 bits and the root user id
)

// revisionSize holds the length in bytes at each revision.
var revisionSize = [...]int{V1: 12, V2: 20, V3: 24}

const flagEffective = 0x000001 // VFS_CAP_FLAGS_EFFECTIVE

// Caps is the content of one attribute. The zero value is not an attribute:
// its revision is 0; use [New] or [FromText].
type Caps struct {
	Permitted   capset.Set
	Inheritable capset.Set
	// Effective is the one effective bit of the file. With it the program is
	// capability-dumb: execve(2) fails with EPERM unless it can have all of
	// Permitted.
	Effective bool
	Revision  Revision
	// RootID is, in V3, the user id that root of the user namespace has in
	// which the capabilities count, as seen from the reader's user namespace.
	RootID uint32
}

// New returns the attribute that setcap(8) would write for the three sets:
// V2 and not bound to a user namespace. As in libcap, the effective set must
// be empty or hold all of the other two, since a file has only one bit for it.
func New(s capset.State) (Caps, error) {
	if s.Effective != 0 && !s.Effective.Contains(s.Permitted|s.Inheritable) {
		return Caps{}, fmt.Errorf("file capabilities %q: a file has one effective bit: e must be on all of its capabilities or on none", s)
	}
	return Caps{Permitted: s.Permitted, Inheritable: s.Inheritable, Effective: s.Effective != 0, Revision: V2}, nil
}

// FromText is [New] for libcap's text form, such as "cap_net_bind_service=p".
func FromText(text string) (Caps, error) {
	s, err := capset.ParseState(text)
	if err != nil {
		return Caps{}, err
	}
	return New(s)
}

// State returns the three sets that getcap(8) shows for the file.
func (c Caps) State() capset.State {
	s := capset.State{Permitted: c.Permitted, Inheritable: c.Inheritable}
	if c.Effective {
		s.Effective = c.Permitted | c.Inheritable
	}
	return s
}

// String returns what "getcap -n" prints behind the file's name.
func (c Caps) String() string {
	if c.Foreign() {
		return fmt.Sprintf("%s [rootid=%d]", c.State(), c.RootID)
	}
	return c.State().String()
}

// Foreign reports whether capabilities that [Get] read count in another user
// namespace than the reader's only: what counts here, the kernel shows as V2, or
// as V3 with root id 0 (cap_inode_getsecurity of security/commoncap.c).
func (c Caps) Foreign() bool { return c.Revision == V3 && c.RootID != 0 }

// MarshalText returns what [Caps.String] returns, for reports.
func (c Caps) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ErrFormat is what every error of [Parse] wraps.
var ErrFormat = errors.New("not a valid security.capability attribute")

// Parse reads the attribute's bytes. It accepts exactly what the kernel
// accepts in setxattr(2), and revision 1, which old kernels wrote. An error
// says the length and the revision that were found, and wraps [ErrFormat].
func Parse(b []byte) (Caps, error) {
	if len(b) < 4 {
		return Caps{}, fmt.Errorf("%w: %d bytes, too short for the 4 bytes of revision and flags", ErrFormat, len(b))
	}
	magic := binary.LittleEndian.Uint32(b)
	rev, fl := Revision(magic>>24), magic&0x00ffffff
	if rev < V1 || rev > V3 {
		return Caps{}, fmt.Errorf("%w: unknown revision %d (first word %#08x)", ErrFormat, rev, magic)
	}
	if want := revisionSize[rev]; len(b) != want {
		return Caps{}, fmt.Errorf("%w: %d bytes, revision %d has %d", ErrFormat, len(b), rev, want)
	}
	if fl&^flagEffective != 0 {
		return Caps{}, fmt.Errorf("%w: unknown flags %#06x", ErrFormat, fl&^flagEffective)
	}
	c := Caps{Revision: rev, Effective: fl&flagEffective != 0}
	word := func(i int) capset.Set { return capset.Set(binary.LittleEndian.Uint32(b[4+4*i:])) }
	c.Permitted, c.Inheritable = word(0), word(1)
	if rev >= V2 {
		c.Permitted |= word(2) << 32
		c.Inheritable |= word(3) << 32
	}
	if rev == V3 {
		c.RootID = uint32(word(4))
	}
	return c, nil
}

// MarshalBinary returns the attribute's bytes; [Parse] reads them back. The
// error says what the revision cannot hold.
func (c Caps) MarshalBinary() ([]byte, error) {
	switch {
	case c.Revision < V1 || c.Revision > V3:
		return nil, fmt.Errorf("file capabilities %q: unknown revision %d", c.State(), c.Revision)
	case c.Revision == V1 && (c.Permitted|c.Inheritable)>>32 != 0:
		return nil, fmt.Errorf("file capabilities %q: revision 1 holds capabilities 0 to 31 only", c.State())
	case c.Revision != V3 && c.RootID != 0:
		return nil, fmt.Errorf("file capabilities %q: revision %d cannot hold root id %d", c.State(), c.Revision, c.RootID)
	}
	magic := uint32(c.Revision) << 24
	if c.Effective {
		magic |= flagEffective
	}
	b := make([]byte, 0, revisionSize[V3])
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Permitted))
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Inheritable))
	if c.Revision >= V2 {
		b = binary.LittleEndian.AppendUint32(b, uint32(c.Permitted>>32))
		b = binary.LittleEndian.AppendUint32(b, uint32(c.Inheritable>>32))
	}
	if c.Revision == V3 {
		b = binary.LittleEndian.AppendUint32(b, c.RootID)
	}
	return b, nil
}
