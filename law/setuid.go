package law

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
)

// SetUIDs returns t after a successful setresuid(2): cap_task_fix_setuid and
// cap_emulate_setxuid of security/commoncap.c. It does not judge whether t may
// call it so; one with CAP_SETUID may.
func (t Task) SetUIDs(ruid, euid, suid uint32) (Task, Rules) {
	old := t.UID
	t.UID = cred.IDs{Real: ruid, Effective: euid, Saved: suid, FileSystem: euid}
	if t.Securebits&cred.NoSetuidFixup != 0 {
		return t, 1 << SetuidNoFixup
	}
	var rules Rules
	hadRoot := old.Real == root || old.Effective == root || old.Saved == root
	hasRoot := ruid == root || euid == root || suid == root
	if hadRoot && !hasRoot {
		if t.Securebits&cred.KeepCaps == 0 {
			t.Permitted, t.Effective = 0, 0
			rules |= 1 << SetuidDropsAll
		} else {
			rules |= 1 << SetuidKeepCaps
		}
		if t.Ambient != 0 {
			rules |= 1 << SetuidDropsAmbient
		}
		t.Ambient = 0
	}
	switch {
	case old.Effective == root && euid != root:
		t.Effective = 0
		rules |= 1 << SetuidDropsEffective
	case old.Effective != root && euid == root:
		t.Effective = t.Permitted
		rules |= 1 << SetuidRaisesEffective
	}
	return t, rules
}

// EnterUserNamespace returns t as a task that has entered a new user namespace
// and has the given ids there: set_cred_user_ns of kernel/user_namespace.c.
// known holds the capabilities that the kernel knows.
func (t Task) EnterUserNamespace(uid, gid uint32, known capset.Set) Task {
	in := User(uid, gid, known)
	in.Permitted, in.Effective = known, known
	in.NoNewPrivs, in.Tracer, in.SharedFS = t.NoNewPrivs, t.Tracer, t.SharedFS
	return in
}

// MakeAmbient returns t after it has made inheritable and ambient what of the
// set it may: capset(2) and PR_CAP_AMBIENT_RAISE, that is cap_capset and
// cap_task_prctl of security/commoncap.c. What it may not is left as it was.
func (t Task) MakeAmbient(s capset.Set) Task {
	if t.Securebits&cred.NoCapAmbientRaise != 0 {
		return t
	}
	s &= t.Permitted & (t.Inheritable | t.Bounding)
	t.Inheritable |= s
	t.Ambient |= s
	return t
}
