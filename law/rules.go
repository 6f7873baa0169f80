package law

import (
	"iter"
	"math/bits"
)

// Rule is one rule of the kernel. The rules that applied make up the trace of an
// outcome, in the order in which the kernel goes through them.
type Rule uint8

// The rules.
const (
	SetIDNosuid Rule = iota
	SetIDNoNewPrivs
	SetIDUnmapped
	SetUID
	SetGID
	NoFileCaps
	FileCapsDisabled
	FileCapsNosuid
	FileCapsMalformed
	FileCapsForeign
	FileCaps
	FileCapsDumb
	FileCapsPartial
	RootSecurebit
	RootSuppressed
	RootPermitted
	RootEffective
	DowngradeNoNewPrivs
	DowngradeSharedFS
	DowngradeTraced
	SetIDUndone
	AmbientClearedByFile
	AmbientClearedBySetID
	AmbientKept
	EffectivePermitted
	EffectiveAmbient
	KeepCapsCleared
	SecureIDs
	SecureCaps
	NotDumpable
	SetuidNoFixup
	SetuidDropsAll
	SetuidKeepCaps
	SetuidDropsAmbient
	SetuidDropsEffective
	SetuidRaisesEffective
	PortAny
	PortOpen
	PortForeignNetwork
	PortNetworkMaker
	PortEffective
	PortNotEffective
	numRules
)

// Rules is a set of rules, bit n for rule n.
type Rules uint64

// Has reports whether r is in the set.
func (s Rules) Has(r Rule) bool { return s&(1<<r) != 0 }

// All yields the rules in the order in which the kernel goes through them.
func (s Rules) All() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for rest := uint64(s); rest != 0; rest &= rest - 1 {
			if !yield(Rule(bits.TrailingZeros64(rest))) {
				return
			}
		}
	}
}

// String returns the rule's stable identifier, such as "file-caps-dumb".
func (r Rule) String() string { return texts[r].id }

// Says returns what the rule says, in one sentence. X, P, E, I and A are the
// bounding, permitted, effective, inheritable and ambient set of the task, F.p,
// F.i and F.e those of the file.
func (r Rule) Says() string { return texts[r].says }

// Source names where the rule stands: the function of the kernel, and the
// section of capabilities(7) or another manual page that describes it.
func (r Rule) Source() string { return texts[r].source }

type text struct{ id, says, source string }

const (
	inFill      = "bprm_fill_uid, execve(2)"
	inFileCaps  = "get_file_caps, capabilities(7) File capabilities"
	inTransform = "cap_bprm_creds_from_file, capabilities(7) Transformation of capabilities during execve()"
	inRoot      = "handle_privileged_root, capabilities(7) Capabilities and execution of programs by root"
	inSetuid    = "cap_emulate_setxuid, capabilities(7) Effect of user ID changes on capabilities"
	inBind      = "__inet_bind, ip(7) ip_unprivileged_port_start"
	inOwner     = "cap_capable, user_namespaces(7) Capabilities"
)

var texts = [numRules]text{
	SetIDNosuid:     {"set-id-nosuid", "the mount has nosuid, so the set-user-id and set-group-id bits do not count", inFill},
	SetIDNoNewPrivs: {"set-id-no-new-privs", "under no_new_privs the set-user-id and set-group-id bits do not count", inFill},
	SetIDUnmapped:   {"set-id-unmapped", "the file's owner has no id in this user namespace, so the set-id bits do not count", inFill},
	SetUID:          {"set-user-id", "the set-user-id bit makes the file's owner the effective user", inFill},
	SetGID:          {"set-group-id", "the set-group-id bit makes the file's group the effective group", inFill},

	NoFileCaps:        {"no-file-caps", "the file carries no capabilities: it gives none", inFileCaps},
	FileCapsDisabled:  {"file-caps-disabled", "the kernel was booted with no_file_caps: file capabilities do not count", inFileCaps},
	FileCapsNosuid:    {"file-caps-nosuid", "the mount has nosuid, so the file's capabilities do not count, and cannot make execve fail", inFileCaps},
	FileCapsMalformed: {"file-caps-malformed", "the attribute security.capability cannot be read: execve fails with EINVAL", "get_vfs_caps_from_disk"},
	FileCapsForeign:   {"file-caps-foreign", "the file's capabilities belong to another user namespace: they do not count here, and cannot make execve fail", "rootid_owns_currentns, capabilities(7) Namespaced file capabilities"},
	FileCaps:          {"file-caps", "the file permits what of F.p is in X, and what of F.i is in I", "bprm_caps_from_vfs_caps, capabilities(7) Transformation of capabilities during execve()"},
	FileCapsDumb:      {"file-caps-dumb", "F.e marks the program as capability-dumb, and not all of F.p can be had: execve fails with EPERM", "bprm_caps_from_vfs_caps, capabilities(7) Safety checking for capability-dumb binaries"},
	FileCapsPartial:   {"file-caps-partial", "not all of F.p can be had; without F.e the program starts all the same", "bprm_caps_from_vfs_caps, capabilities(7) Safety checking for capability-dumb binaries"},

	RootSecurebit:  {"root-securebit", "the securebit noroot is set: being root gives no capability", inRoot},
	RootSuppressed: {"root-suppressed", "a set-user-id-root file with capabilities, started by another user, gives its capabilities only", inRoot},
	RootPermitted:  {"root-permitted", "for root the file counts as if it permitted all of X and of I", inRoot},
	RootEffective:  {"root-effective", "for the effective user root the file counts as if it had F.e", inRoot},

	DowngradeNoNewPrivs: {"downgrade-no-new-privs", "no_new_privs: what was not in P before is not gained", inTransform},
	DowngradeSharedFS:   {"downgrade-shared-fs", "another process shares the working directory: what was not in P before is not gained", inTransform},
	DowngradeTraced:     {"downgrade-traced", "the process is traced by one without CAP_SYS_PTRACE: what was not in P before is not gained", inTransform},
	SetIDUndone:         {"set-id-undone", "the effective ids go back to the real ones", inTransform},

	AmbientClearedByFile:  {"ambient-cleared-by-file", "a file with capabilities, even with none in it, clears A", inTransform},
	AmbientClearedBySetID: {"ambient-cleared-by-set-id", "a change of the effective ids clears A", inTransform},
	AmbientKept:           {"ambient-kept", "A stays, and is added to P", inTransform},
	EffectivePermitted:    {"effective-permitted", "all of P becomes effective", inTransform},
	EffectiveAmbient:      {"effective-ambient", "only A becomes effective", inTransform},
	KeepCapsCleared:       {"keep-caps-cleared", "the securebit keep_caps is cleared", inTransform},
	SecureIDs:             {"secure-ids", "AT_SECURE is set, since effective and real ids differ or changed", inTransform},
	SecureCaps:            {"secure-caps", "AT_SECURE is set, since a user other than root gets capabilities from the file", inTransform},
	NotDumpable:           {"not-dumpable", "the program gained something or may not be read: fs.suid_dumpable decides about dumps and /proc/PID", "begin_new_exec and commit_creds, prctl(2) PR_SET_DUMPABLE"},

	SetuidNoFixup:         {"setuid-no-fixup", "the securebit no_setuid_fixup is set: changing user ids leaves the sets alone", inSetuid},
	SetuidDropsAll:        {"setuid-drops-all", "no user id is root any more: P and E are cleared", inSetuid},
	SetuidKeepCaps:        {"setuid-keep-caps", "no user id is root any more, but keep_caps is set: P stays", inSetuid},
	SetuidDropsAmbient:    {"setuid-drops-ambient", "no user id is root any more: A is cleared", inSetuid},
	SetuidDropsEffective:  {"setuid-drops-effective", "the effective user is not root any more: E is cleared", inSetuid},
	SetuidRaisesEffective: {"setuid-raises-effective", "the effective user became root: all of P becomes effective", inSetuid},

	PortAny:            {"port-any", "port 0 lets the kernel choose, and needs no capability", inBind},
	PortOpen:           {"port-open", "the port is not below net.ipv4.ip_unprivileged_port_start, and needs no capability", inBind},
	PortForeignNetwork: {"port-foreign-network", "another user namespace owns the network namespace, where this program's capabilities do not count", inOwner},
	PortNetworkMaker:   {"port-network-maker", "the program's user made the user namespace that owns the network namespace, and has every capability there", inOwner},
	PortEffective:      {"port-effective", "the port needs CAP_NET_BIND_SERVICE, and it is effective", inBind},
	PortNotEffective:   {"port-not-effective", "the port needs CAP_NET_BIND_SERVICE, and it is not effective", inBind},
}
