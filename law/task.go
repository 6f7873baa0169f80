package law

import (
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
)

// root is the user id of the user namespace's root, seen from inside.
const root = 0

// Task is the credentials of a thread, and the circumstances that execve(2)
// looks at besides. All ids are seen from the thread's user namespace.
type Task struct {
	cred.Sets
	UID, GID   cred.IDs
	Groups     []uint32 // supplementary groups
	Securebits cred.Securebits
	NoNewPrivs bool
	Tracer     Tracer
	// SharedFS says that another process shares the thread's root and working
	// directory (clone(2) with CLONE_FS).
	SharedFS bool
}

// Tracer says who traces a thread.
type Tracer uint8

const (
	// NoTracer says that nobody does.
	NoTracer Tracer = iota
	// TracerCapable is one with CAP_SYS_PTRACE over the thread's user namespace.
	TracerCapable
	// TracerUnprivileged is one without.
	TracerUnprivileged
)

// inGroup is in_group_p of kernel/groups.c.
func (t *Task) inGroup(gid uint32) bool {
	return gid == t.GID.FileSystem || slices.Contains(t.Groups, gid)
}

// User returns the task of an ordinary user with one id for all purposes: no
// capabilities, and a bounding set.
func User(uid, gid uint32, bounding capset.Set) Task {
	return Task{
		Sets: cred.Sets{Bounding: bounding},
		UID:  cred.IDs{Real: uid, Effective: uid, Saved: uid, FileSystem: uid},
		GID:  cred.IDs{Real: gid, Effective: gid, Saved: gid, FileSystem: gid},
	}
}

// Kernel is what differs between kernels and their settings. The zero value is
// a current kernel with its defaults.
type Kernel struct {
	SetID SetIDRule
	// SuidDumpable is the sysctl fs.suid_dumpable: 0, 1 or 2.
	SuidDumpable uint8
	// NoFileCaps says that the kernel was booted with no_file_caps.
	NoFileCaps bool
	// NoPortStart says that the kernel has no sysctl net.ipv4.ip_unprivileged_port_start,
	// so that ports below [DefaultPortStart] need a capability everywhere: Linux below 4.11.
	NoPortStart bool
	// Known holds the capabilities that the kernel knows; it does not see others
	// in a file. Empty stands for those that have a name.
	Known capset.Set
}

func (k *Kernel) known() capset.Set {
	if k.Known == 0 {
		return capset.All
	}
	return k.Known
}

// SetIDRule says what counts as a change of ids at execve(2). The two differ
// only where real and effective ids differ before.
type SetIDRule uint8

const (
	// SetIDByEffective compares with the old effective user id, and asks
	// whether the new effective group is one of the thread's. Linux 6.18 does.
	SetIDByEffective SetIDRule = iota
	// SetIDByReal compares with the old real ids. Linux 6.12 and older do.
	SetIDByReal
)

// String returns "by-effective-id" or "by-real-id".
func (r SetIDRule) String() string {
	if r == SetIDByReal {
		return "by-real-id"
	}
	return "by-effective-id"
}

// Errno is the answer of a system call.
type Errno uint8

// The answers. These rules give those up to EINVAL; filters give the others, too.
const (
	OK           Errno = iota
	EPERM              // operation not permitted
	EACCES             // permission denied
	EINVAL             // invalid argument
	EAFNOSUPPORT       // address family not supported
	SIGSYS             // no answer: the call ends the process by this signal
	OtherErrno         // any other
)

// String returns the name, such as "EPERM"; "" for OK and for OtherErrno.
func (e Errno) String() string {
	return [...]string{"", "EPERM", "EACCES", "EINVAL", "EAFNOSUPPORT", "SIGSYS", ""}[e]
}
