// Package diagnose says whether this process may bind a port, why not, and
// what to change.
//
// [Self] collects [Facts] from the kernel; [Predict] and [Explain] are pure and
// turn facts into a [Verdict] with a [Cause] and one remedy, in the words of
// the [Environment] that the process runs in.
package diagnose

import (
	"fmt"

	"github.com/capwise/capwise/capset"
)

// Outcome says what a bind needs.
type Outcome string

const (
	// Free means that the port needs no capability here.
	Free Outcome = "free"
	// Held means that CAP_NET_BIND_SERVICE is needed and effective already.
	Held Outcome = "held"
	// Raise means that CAP_NET_BIND_SERVICE is needed and permitted, so that a
	// program that raises it for the bind may bind.
	Raise Outcome = "raise"
	// Fail means that the bind fails with EACCES.
	Fail Outcome = "fail"
)

// Cause is the stable identifier of the reason why a bind fails.
type Cause string

const (
	// NotInBoundingSet says that no execve(2) can give the capability to this
	// process.
	NotInBoundingSet Cause = "not-in-bounding-set"
	// NoFileCapability says that the process may have the capability, but its
	// file does not carry it and it does not run as root.
	NoFileCapability Cause = "no-file-capability"
	// LostToNoNewPrivs says that the file carries the capability, but that under
	// no_new_privs an execve(2) adds nothing to what the caller had, be it the
	// runtime, a shell or an init such as tini.
	LostToNoNewPrivs Cause = "lost-to-no-new-privs"
	// NosuidMount says that the file lies on a mount where file capabilities
	// don't count.
	NosuidMount Cause = "nosuid-mount"
	// ForeignFileCapability says that the file's capability counts in another
	// user namespace only (its root id is not the root of this one).
	ForeignFileCapability Cause = "foreign-file-capability"
	// GivenUp says that execve(2) would permit the capability, but the process
	// does not have it: it dropped it, or the file got it after the start.
	GivenUp Cause = "given-up"
	// ForeignNetwork says that the capability is held, but in another user
	// namespace than the one that owns the network namespace.
	ForeignNetwork Cause = "foreign-network-namespace"
	// Blocked says that no capability is missing: a security module, a seccomp
	// filter or a BPF program refused.
	Blocked Cause = "security-module-or-seccomp"
)

// DefaultPortStart is what net.ipv4.ip_unprivileged_port_start is unless
// somebody changed it (ip-sysctl in the kernel's documentation).
const DefaultPortStart = 1024

// Verdict is the answer for one port.
type Verdict struct {
	Port    int     `json:"port"`
	Outcome Outcome `json:"outcome"`
	// Cause, Reason and Remedy are empty unless Outcome is Fail.
	Cause Cause `json:"cause,omitempty"`
	// Reason is one clause: which condition failed.
	Reason string `json:"reason,omitempty"`
	// Remedy is one change that makes the bind work.
	Remedy string `json:"remedy,omitempty"`
}

// String returns the verdict in one line without line break.
func (v Verdict) String() string {
	switch v.Outcome {
	case Free:
		return fmt.Sprintf("port %d needs no capability", v.Port)
	case Held:
		return fmt.Sprintf("port %d: CAP_NET_BIND_SERVICE is effective", v.Port)
	case Raise:
		return fmt.Sprintf("port %d: CAP_NET_BIND_SERVICE is permitted and gets raised for the bind", v.Port)
	default:
		return fmt.Sprintf("%s; remedy: %s", v.Reason, v.Remedy)
	}
}

// Predict says what a bind of the port will need under the facts, by
// inet_bind's rule: a port other than 0 and below ip_unprivileged_port_start
// needs CAP_NET_BIND_SERVICE in the user namespace that owns the network
// namespace (__inet_bind in net/ipv4/af_inet.c).
//
// It knows nothing of addresses in use, security modules and seccomp filters:
// where it does not say Fail, the bind may still fail for another reason.
func Predict(f Facts, port int) Verdict {
	const c = capset.NetBindService
	v := Verdict{Port: port}
	switch {
	case port == 0 || port >= f.PortStart:
		v.Outcome = Free
	case !f.Permitted.Has(c):
		v.fail(f, missingCause(f))
	case f.NetworkOwner == OwnerForeign:
		v.fail(f, ForeignNetwork)
	case f.Effective.Has(c):
		v.Outcome = Held
	default:
		v.Outcome = Raise
	}
	return v
}

// Explain says why a bind of the port failed with EACCES under the facts. Where
// the capability rules would have let it pass, something else refused it.
func Explain(f Facts, port int) Verdict {
	v := Predict(f, port)
	if v.Outcome != Fail {
		v.fail(f, Blocked)
	}
	return v
}

// missingCause says why CAP_NET_BIND_SERVICE is not permitted. The order is
// that of execve(2): what no file can give, then what the file does not give,
// then what the kernel took from what the file gives.
func missingCause(f Facts) Cause {
	const c = capset.NetBindService
	switch {
	case !f.Bounding.Has(c):
		return NotInBoundingSet
	case !f.actsAsRoot() && f.FileForeign && (f.File == nil || f.fileGrants()):
		return ForeignFileCapability
	case !f.actsAsRoot() && !f.fileGrants():
		return NoFileCapability
	case !f.actsAsRoot() && f.Nosuid:
		return NosuidMount
	case f.NoNewPrivs:
		return LostToNoNewPrivs
	default:
		return GivenUp
	}
}

func (v *Verdict) fail(f Facts, c Cause) {
	v.Outcome, v.Cause = Fail, c
	v.Reason = reason(f, c, v.Port)
	v.Remedy = remedy(f, c, v.Port)
}

// reason words the condition that failed.
func reason(f Facts, c Cause, port int) string {
	const name = "CAP_NET_BIND_SERVICE"
	needs := fmt.Sprintf("port %d needs %s here (net.ipv4.ip_unprivileged_port_start is %s)", port, name, f.portStartText())
	switch c {
	case NotInBoundingSet:
		return fmt.Sprintf("%s, and %s is not in the bounding set", needs, name)
	case NoFileCapability:
		return fmt.Sprintf("%s: it is in the bounding set, but %s carries no file capability that permits it", needs, f.executable())
	case LostToNoNewPrivs:
		how := "the caller did not have it"
		if f.Wrapper != "" {
			how = f.Wrapper + " started it without"
		}
		return fmt.Sprintf("%s: it was lost to no_new_privs (%s)", needs, how)
	case NosuidMount:
		return fmt.Sprintf("%s: the file capability does not count because %s is on a nosuid mount", needs, f.executable())
	case ForeignFileCapability:
		return fmt.Sprintf("%s: the file capability of %s counts in another user namespace only", needs, f.executable())
	case GivenUp:
		return fmt.Sprintf("%s: this process gave it up, or the file got it after the process started", needs)
	case ForeignNetwork:
		return fmt.Sprintf("%s: it is held, but the network namespace belongs to another user namespace", needs)
	default:
		return blockedReason(f, port, needs)
	}
}

// blockedReason words a refusal that the capability rules do not explain.
func blockedReason(f Facts, port int, needs string) string {
	which := "a security module or a BPF program"
	if f.Seccomp != 0 {
		which = "a seccomp filter, a security module or a BPF program"
	}
	if port >= f.PortStart || port == 0 {
		return fmt.Sprintf("port %d needs no capability here (net.ipv4.ip_unprivileged_port_start is %s); %s refused the bind", port, f.portStartText(), which)
	}
	also := ""
	if f.NetworkOwner == OwnerUnknown {
		also = ", or the network namespace belongs to another user namespace"
	}
	return fmt.Sprintf("%s: it is permitted, and yet %s refused%s", needs, which, also)
}
