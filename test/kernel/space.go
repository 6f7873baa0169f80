package kernelcheck

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// The capabilities that cases are about: one of each half of the attribute.
const (
	first  = capset.NetBindService
	second = capset.AuditRead
)

var universe = capset.Of(first, second)

// signal is the parent-death signal of every start; nobody minds it.
const signal = 28 // SIGWINCH

// space is a set of starting points: every combination of what its fields list.
// An empty list stands for the zero value alone, or for the ids user and group.
type space struct {
	caps       []capset.Cap // in and out of each of the five sets
	setuid     []setuid
	uids, gids [][4]uint32
	groups     [][]uint32
	securebits []uint32
	noNewPrivs []bool
	tracers    []law.Tracer
	sharedFS   []bool
}

// setuid says where CAP_SETUID is.
type setuid uint8

const (
	setuidNone setuid = iota
	setuidPermitted
	setuidEffective
)

// size is the number of starting points, legal and illegal ones.
func (s space) size() int {
	n := 1 << (5 * len(s.caps))
	for _, l := range []int{
		len(s.setuid), len(s.uids), len(s.gids), len(s.groups), len(s.securebits),
		len(s.noNewPrivs), len(s.tracers), len(s.sharedFS),
	} {
		n *= max(l, 1)
	}
	return n
}

// take splits the next choice off the number of a starting point.
func take[T any](from []T, otherwise T, number *int) T {
	if len(from) == 0 {
		return otherwise
	}
	choice := from[*number%len(from)]
	*number /= len(from)
	return choice
}

// at is the starting point with the given number, below size.
func (s space) at(number int) wish {
	w := wish{Pdeathsig: signal}
	c := &w.Creds
	c.UID = take(s.uids, [4]uint32{user, user, user, user}, &number)
	c.GID = take(s.gids, [4]uint32{group, group, group, group}, &number)
	c.NGroups = uint32(copy(c.Groups[:], take(s.groups, nil, &number)))
	c.Securebits = take(s.securebits, 0, &number)
	if take(s.noNewPrivs, false, &number) {
		c.NoNewPrivs = 1
	}
	w.Tracer = take(s.tracers, law.NoTracer, &number)
	w.SharedFS = take(s.sharedFS, false, &number)
	in := take(s.setuid, setuidNone, &number)
	if in >= setuidPermitted {
		c.Permitted |= uint64(capset.Of(capset.Setuid))
	}
	if in == setuidEffective {
		c.Effective |= uint64(capset.Of(capset.Setuid))
	}
	for _, which := range s.caps {
		for _, set := range []*uint64{&c.Permitted, &c.Effective, &c.Inheritable, &c.Ambient, &c.Bounding} {
			*set |= uint64(number&1) << which
			number >>= 1
		}
	}
	return w
}

// combinations lists every way to fill the real, effective and saved id with
// the given ones; the file system's is the effective one.
func combinations(of ...uint32) [][4]uint32 {
	var all [][4]uint32
	for _, r := range of {
		for _, e := range of {
			for _, s := range of {
				all = append(all, [4]uint32{r, e, s, e})
			}
		}
	}
	return all
}

// withFS lists the ids again for each file system id.
func withFS(ids [][4]uint32, fs ...uint32) [][4]uint32 {
	var all [][4]uint32
	for _, id := range ids {
		for _, f := range fs {
			id[3] = f
			all = append(all, id)
		}
	}
	return all
}

// masks lists every union of the given bits.
func masks(bits ...uint32) []uint32 {
	all := []uint32{0}
	for _, b := range bits {
		for _, m := range all {
			all = append(all, m|b)
		}
	}
	return all
}

var both = []bool{false, true}
