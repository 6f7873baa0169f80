package law

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
)

// Outcome is what execve(2) comes to.
type Outcome struct {
	// Task is the credentials afterwards; those before, if Errno is not OK.
	Task  Task
	Errno Errno
	// Secure is AT_SECURE of getauxval(3): the dynamic linker drops LD_*, and
	// programs ignore other variables.
	Secure bool
	// Dumpable is what PR_GET_DUMPABLE returns: 1, or fs.suid_dumpable. Unless it
	// is 1, /proc/PID belongs to root, and there is no attaching and no core.
	Dumpable uint8
	// PdeathCleared says that PR_SET_PDEATHSIG is undone.
	PdeathCleared bool
	// Rules is the rules that applied.
	Rules Rules
}

// Exec is what execve(2) makes of the credentials of task t when it executes
// file f. The steps and their order are those of bprm_creds_from_file in
// fs/exec.c and cap_bprm_creds_from_file in security/commoncap.c.
func Exec(k Kernel, t Task, f File) Outcome {
	x := exec{kernel: k, old: t, file: f, new: t}
	x.setIDs()
	if errno := x.fileCaps(); errno != OK {
		return Outcome{Task: t, Errno: errno, Rules: x.rules}
	}
	x.rootRule()
	changed := x.idChanged()
	x.downgrade(changed)
	x.new.UID.Saved, x.new.UID.FileSystem = x.new.UID.Effective, x.new.UID.Effective
	x.new.GID.Saved, x.new.GID.FileSystem = x.new.GID.Effective, x.new.GID.Effective
	x.combine(changed)
	secure := x.secure(changed)
	gained := x.commits()
	return Outcome{
		Task: x.new, Secure: secure, Dumpable: x.dumpable(gained),
		PdeathCleared: secure || gained, Rules: x.rules,
	}
}

// exec is one execve(2) under way.
type exec struct {
	kernel Kernel
	old    Task
	file   File
	new    Task

	effective bool // the file's effective bit, or the root rule's
	hasCaps   bool // has_fcap of the kernel
	rules     Rules
}

func (x *exec) apply(r Rule) { x.rules |= 1 << r }

// setIDs is bprm_fill_uid of fs/exec.c.
func (x *exec) setIDs() {
	f := &x.file
	if !f.SetUID && !f.SetGID {
		return
	}
	switch {
	case f.Nosuid:
		x.apply(SetIDNosuid)
	case x.old.NoNewPrivs:
		x.apply(SetIDNoNewPrivs)
	case f.Unmapped:
		x.apply(SetIDUnmapped)
	default:
		if f.SetUID {
			x.new.UID.Effective = f.UID
			x.apply(SetUID)
		}
		if f.SetGID {
			x.new.GID.Effective = f.GID
			x.apply(SetGID)
		}
	}
}

// fileCaps is get_file_caps of security/commoncap.c.
func (x *exec) fileCaps() Errno {
	x.new.Permitted = 0
	f := &x.file
	switch {
	case !f.HasCaps() && !f.Malformed:
		x.apply(NoFileCaps)
		return OK
	case x.kernel.NoFileCaps:
		x.apply(FileCapsDisabled)
		return OK
	case f.Nosuid:
		x.apply(FileCapsNosuid)
		return OK
	case f.Malformed:
		x.apply(FileCapsMalformed)
		return EINVAL
	case f.Foreign:
		x.apply(FileCapsForeign)
		return OK
	}
	return x.knownCaps(f.Caps.Permitted&x.kernel.known(), f.Caps.Inheritable&x.kernel.known())
}

// knownCaps is bprm_caps_from_vfs_caps of security/commoncap.c, with what the
// kernel knows of F.p and F.i (the end of get_vfs_caps_from_disk).
func (x *exec) knownCaps(permitted, inheritable capset.Set) Errno {
	x.hasCaps, x.effective = true, x.file.Caps.Effective
	x.new.Permitted = x.old.Bounding&permitted | x.old.Inheritable&inheritable
	x.apply(FileCaps)
	if !x.new.Permitted.Contains(permitted) {
		if x.effective {
			x.apply(FileCapsDumb)
			return EPERM
		}
		x.apply(FileCapsPartial)
	}
	return OK
}

// rootRule is handle_privileged_root of security/commoncap.c.
func (x *exec) rootRule() {
	byReal, byEffective := x.new.UID.Real == root, x.new.UID.Effective == root
	switch {
	case !byReal && !byEffective:
		return
	case x.old.Securebits&cred.NoRoot != 0:
		x.apply(RootSecurebit)
		return
	case x.hasCaps && byEffective && !byReal:
		x.apply(RootSuppressed)
		return
	}
	x.new.Permitted = x.old.Bounding | x.old.Inheritable
	x.apply(RootPermitted)
	if byEffective {
		x.effective = true
		x.apply(RootEffective)
	}
}

// idChanged is the condition that cap_bprm_creds_from_file calls id_changed,
// and is_setid in older kernels.
func (x *exec) idChanged() bool {
	if x.kernel.SetID == SetIDByReal {
		return x.new.UID.Effective != x.old.UID.Real || x.new.GID.Effective != x.old.GID.Real
	}
	return x.new.UID.Effective != x.old.UID.Effective || !x.old.inGroup(x.new.GID.Effective)
}

// downgrade is the part of cap_bprm_creds_from_file that lets an unsafe
// execve(2) gain nothing.
func (x *exec) downgrade(idChanged bool) {
	t := &x.old
	if !idChanged && t.Permitted.Contains(x.new.Permitted) {
		return
	}
	switch {
	case t.NoNewPrivs:
		x.apply(DowngradeNoNewPrivs)
	case t.SharedFS:
		x.apply(DowngradeSharedFS)
	case t.Tracer == TracerUnprivileged:
		x.apply(DowngradeTraced)
	default:
		return
	}
	if t.NoNewPrivs || !t.Effective.Has(capset.Setuid) {
		if x.new.UID.Effective != x.new.UID.Real || x.new.GID.Effective != x.new.GID.Real {
			x.apply(SetIDUndone)
		}
		x.new.UID.Effective, x.new.GID.Effective = x.new.UID.Real, x.new.GID.Real
	}
	x.new.Permitted &= t.Permitted
}

// combine is the rest of the transformation in cap_bprm_creds_from_file.
func (x *exec) combine(idChanged bool) {
	switch {
	case x.old.Ambient == 0:
	case x.hasCaps:
		x.new.Ambient = 0
		x.apply(AmbientClearedByFile)
	case idChanged:
		x.new.Ambient = 0
		x.apply(AmbientClearedBySetID)
	default:
		x.apply(AmbientKept)
	}
	x.new.Permitted |= x.new.Ambient
	if x.effective {
		x.new.Effective = x.new.Permitted
		x.apply(EffectivePermitted)
	} else {
		x.new.Effective = x.new.Ambient
		x.apply(EffectiveAmbient)
	}
	if x.new.Securebits&cred.KeepCaps != 0 {
		x.new.Securebits &^= cred.KeepCaps
		x.apply(KeepCapsCleared)
	}
}

// secure is the end of cap_bprm_creds_from_file, which decides AT_SECURE.
func (x *exec) secure(idChanged bool) bool {
	o, n := &x.old, &x.new
	ids := idChanged
	if x.kernel.SetID == SetIDByEffective {
		ids = ids || n.UID.Effective != o.UID.Real || n.GID.Effective != o.GID.Real
	}
	caps := n.UID.Real != root && (x.effective || !n.Ambient.Contains(n.Permitted))
	if ids {
		x.apply(SecureIDs)
	}
	if caps {
		x.apply(SecureCaps)
	}
	return ids || caps
}

// commits reports whether commit_creds of kernel/cred.c takes the program for
// more privileged than the one before.
func (x *exec) commits() bool {
	o, n := &x.old, &x.new
	return o.UID.Effective != n.UID.Effective || o.GID.Effective != n.GID.Effective ||
		o.UID.FileSystem != n.UID.FileSystem || o.GID.FileSystem != n.GID.FileSystem ||
		!o.Permitted.Contains(n.Permitted)
}

// dumpable is what begin_new_exec of fs/exec.c and commit_creds set. The former
// still looks at the old ids.
func (x *exec) dumpable(gained bool) uint8 {
	o := &x.old
	if gained || x.file.Unreadable || o.UID.Effective != o.UID.Real || o.GID.Effective != o.GID.Real {
		x.apply(NotDumpable)
		return x.kernel.SuidDumpable
	}
	return 1
}
