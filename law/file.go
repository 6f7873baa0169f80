package law

import "github.com/capwise/capwise/filecap"

// File is what execve(2) looks at on the file it executes: for a script with
// #!, the file of the interpreter. All ids are seen from the user namespace of
// the task that executes it.
type File struct {
	// Caps is the attribute security.capability; its Revision is 0 where the
	// file has none.
	Caps filecap.Caps
	// Malformed says that there is an attribute that the kernel cannot read.
	// No setxattr(2) writes one; a damaged or foreign disk may hold it. (One of
	// more than 24 bytes makes execve(2) fail with ERANGE, not EINVAL, which the
	// law does not tell apart. Unknown flags do not make it malformed.)
	Malformed bool
	// Foreign says that the attribute counts in another user namespace: its
	// root id (0 unless Revision is V3) is neither root of the task's user
	// namespace nor of one around it.
	Foreign bool
	// SetUID and SetGID are the mode bits; SetGID only together with the
	// permission of the group to execute, without which it means nothing.
	SetUID, SetGID bool
	// UID and GID are the owner, who matters to set-id bits alone.
	UID, GID uint32
	// Unmapped says that the owner or the group has no id in the task's user
	// namespace.
	Unmapped bool
	// Nosuid says that the kernel does not trust the mount (mnt_may_suid of
	// fs/namespace.c): it has nosuid, or its file system belongs to a user
	// namespace which does not hold the task's, or it is not in the task's mount
	// namespace, as that of a descriptor after umount2(2) with MNT_DETACH.
	Nosuid bool
	// Unreadable says that the task may execute the file but not read it.
	Unreadable bool
}

// HasCaps reports whether the file carries an attribute that can be read.
func (f *File) HasCaps() bool { return f.Caps.Revision != 0 }
