package kernelcheck

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
)

// owner is who a file belongs to, as seen from a namespace, and its set-id bits.
type owner struct {
	uid, gid       uint32
	setUID, setGID bool
	outside        bool // the ids are those of the initial user namespace
}

var (
	plain           = owner{}
	setRoot         = owner{setUID: true}
	setUser         = owner{uid: user, setUID: true}
	setOther        = owner{uid: other, setUID: true}
	setGroup        = owner{gid: group, setGID: true}
	setExtra        = owner{gid: extra, setGID: true}
	setGuest        = owner{gid: guest, setGID: true}
	setRootAndGuest = owner{gid: guest, setUID: true, setGID: true}
	// Nobody in a namespace other than the initial.
	setStranger      = owner{uid: user, setUID: true, outside: true}
	setStrangerGroup = owner{uid: child.first, gid: guest, setUID: true, setGID: true, outside: true}
)

// noCaps is a file without the attribute.
var noCaps filecap.Caps

// attributes lists every attribute with the given capabilities in and out of
// F.p and F.i, with and without F.e. The first is empty, as "setcap =" writes it.
func attributes(revision filecap.Revision, rootID uint32, of ...capset.Cap) []filecap.Caps {
	var all []filecap.Caps
	for number := range 1 << (2*len(of) + 1) {
		c := filecap.Caps{Revision: revision, RootID: rootID, Effective: number&1 == 1}
		number >>= 1
		for _, which := range of {
			c.Permitted |= capset.Set(number&1) << which
			c.Inheritable |= capset.Set(number>>1&1) << which
			number >>= 2
		}
		all = append(all, c)
	}
	return all
}

// typical lists one attribute of each kind: none, empty, p, ep, i and ei.
func typical() []filecap.Caps {
	one := capset.Of(first)
	return []filecap.Caps{
		noCaps,
		{Revision: filecap.V2},
		{Revision: filecap.V2, Permitted: one},
		{Revision: filecap.V2, Permitted: one, Effective: true},
		{Revision: filecap.V2, Inheritable: one},
		{Revision: filecap.V2, Inheritable: one, Effective: true},
	}
}

// everyRevision lists the attributes with one capability in all revisions that
// can be written, for root of every user namespace and for nobody's.
func everyRevision(of ...capset.Cap) []filecap.Caps {
	all := append([]filecap.Caps{noCaps}, attributes(filecap.V2, 0, of...)...)
	for _, rootID := range []uint32{initial.first, child.first, grandchild.first, noRoot} {
		all = append(all, attributes(filecap.V3, rootID, of...)...)
	}
	return all
}

// programs lists a program for every combination.
func programs(n namespace, caps []filecap.Caps, owners []owner, nosuid, script []bool) []program {
	var all []program
	for _, c := range caps {
		for _, o := range owners {
			f := file{caps: c, uid: o.uid, gid: o.gid, setUID: o.setUID, setGID: o.setGID}
			if !o.outside {
				f.uid, f.gid = n.outside(o.uid), n.outside(o.gid)
			}
			for _, ns := range nosuid {
				for _, s := range script {
					all = append(all, program{file: f, nosuid: ns, script: s})
				}
			}
		}
	}
	return all
}

// with lists the programs again, changed.
func with(from []program, change func(*file)) []program {
	all := make([]program, len(from))
	for i, p := range from {
		change(&p.file)
		all[i] = p
	}
	return all
}
