package diagnose

import "github.com/capwise/capwise/scenario"

// Cause is the stable identifier of the reason why a program does not start or
// a bind fails. docs/causes has a page for each. Those for which a runtime does not
// start a program stand in package scenario.
type Cause = scenario.Cause

// Causes of an execve(2) that fails.
const (
	// DumbFile says that the file's effective bit asks for capabilities that
	// cannot all be had, so that execve(2) fails with EPERM.
	DumbFile Cause = "capability-dumb-file"
	// MalformedFile says that the attribute security.capability cannot be read,
	// so that execve(2) fails with EINVAL.
	MalformedFile Cause = "malformed-file-capability"
	// CannotChangeUser says that a program such as gosu, which was to change the user
	// and then execute the next, may not.
	CannotChangeUser Cause = "cannot-change-user"
)

// Causes of a bind(2) that fails with EACCES.
const (
	// NotInBoundingSet says that no execve(2) can give the capability to this
	// process.
	NotInBoundingSet Cause = "not-in-bounding-set"
	// NoFileCapability says that the process may have the capability, but its
	// file does not carry it and it does not run as root.
	NoFileCapability Cause = "no-file-capability"
	// AmbientCleared says that the program would have had the capability as
	// ambient, but that a file with capabilities, or a set-id file, clears the
	// ambient set.
	AmbientCleared Cause = "ambient-cleared"
	// NotRaised says that the capability is permitted, but that the program
	// needs it effective and does not raise it.
	NotRaised Cause = "not-raised"
	// LostToNoNewPrivs says that the file carries the capability, but that under
	// no_new_privs an execve(2) adds nothing to what the caller had, be it the
	// runtime, a shell or an init such as tini.
	LostToNoNewPrivs Cause = "lost-to-no-new-privs"
	// LostToTracer says the same of a tracer without CAP_SYS_PTRACE, or of a
	// process that shares the working directory.
	LostToTracer Cause = "lost-to-tracer"
	// NosuidMount says that the file lies on a mount where file capabilities
	// don't count.
	NosuidMount Cause = "nosuid-mount"
	// FileCapsDisabled says that the kernel was booted with no_file_caps.
	FileCapsDisabled Cause = "file-capabilities-disabled"
	// ForeignFileCapability says that the file's capability counts in another
	// user namespace only (its root id is not the root of this one).
	ForeignFileCapability Cause = "foreign-file-capability"
	// GivenUp says that execve(2) would permit the capability, but the process
	// does not have it: it dropped it, or the file got it after the start.
	GivenUp Cause = "given-up"
	// ForeignNetwork says that another user namespace owns the network namespace,
	// where the capabilities of this process do not count.
	ForeignNetwork Cause = "foreign-network-namespace"
	// Blocked says that no capability is missing: a security module, a seccomp
	// filter or a BPF program refused.
	Blocked Cause = "security-module-or-seccomp"
)

// Causes lists every cause.
func Causes() []Cause {
	return []Cause{
		DumbFile, MalformedFile, CannotChangeUser, NotInBoundingSet, NoFileCapability, AmbientCleared, NotRaised, LostToNoNewPrivs,
		LostToTracer, NosuidMount, FileCapsDisabled, ForeignFileCapability, GivenUp, ForeignNetwork, Blocked,
		scenario.CauseRunAsNonRoot, scenario.CauseNotFound, scenario.CauseNotExecutable, scenario.CauseUnknownUser,
		CallFiltered, FamilyRefused, NoExecPath, PortRefused, HiddenPath, scenario.CauseMasked,
		scenario.CauseSysctlHostNetwork, scenario.CauseSysctlRefused, scenario.CauseUnsafeSysctl,
		scenario.CauseRootlessPort, scenario.CauseUnmappedUser, scenario.CausePolicyRefused, scenario.CauseNoUserNamespace, scenario.CauseInvalidManifest,
	}
}
