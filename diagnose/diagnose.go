// Package diagnose says whether a program starts and may bind its ports, why
// not, and what to change.
//
// [Judge] asks the law (package law) about a program start as package scenario
// describes it, and names the [Cause] of a failure. [Remedies] changes the start
// until the law lets it pass, least privilege first, and writes the changes in
// the notation of the start's source.
//
// For a process that runs, [Self] collects [Facts] from the kernel; [Predict]
// and [Explain] turn them into a start and judge that, in the words of the
// [Environment] that the process runs in.
package diagnose

import (
	"fmt"
	"slices"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Needs says what a bind needs.
type Needs string

const (
	// Free means that the port needs no capability here.
	Free Needs = "free"
	// Held means that CAP_NET_BIND_SERVICE is needed and effective already.
	Held Needs = "held"
	// Raise means that CAP_NET_BIND_SERVICE is needed and permitted, so that a
	// program that raises it for the bind may bind.
	Raise Needs = "raise"
	// Fail means that the bind fails with EACCES.
	Fail Needs = "fail"
)

// Verdict is the answer for one port.
type Verdict struct {
	Port  int   `json:"port"`
	Needs Needs `json:"needs"`
	// Cause, Reason and Remedy are empty unless Needs is Fail.
	Cause Cause `json:"cause,omitempty"`
	// Reason is one clause: which condition failed.
	Reason string `json:"reason,omitempty"`
	// Remedy is one change that makes the bind work.
	Remedy string `json:"remedy,omitempty"`
}

// String returns the verdict in one line without line break.
func (v Verdict) String() string {
	switch v.Needs {
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

// Predict says what a bind of the port will need under the facts.
//
// It knows nothing of addresses in use, security modules and seccomp filters:
// where it does not say Fail, the bind may still fail for another reason.
func Predict(f Facts, port int) Verdict {
	s := f.start(port)
	j := Judge(law.Kernel{}, s)
	return verdict(s, &j)
}

// verdict is the answer for the one port of a start.
func verdict(s *scenario.Start, j *Judgement) Verdict {
	answer := j.Binds[0]
	v := Verdict{Port: j.Listens[0].Port, Needs: answer.Needs, Cause: answer.Cause, Reason: answer.Reason}
	if v.Needs != Fail {
		return v
	}
	for _, r := range Remedies(law.Kernel{}, s, j, nil) {
		if !slices.Contains(r.Changes, ChangePort) {
			v.Remedy = r.How
			return v
		}
	}
	v.Remedy = fmt.Sprintf("let it listen on a port from %d on", j.Network.PortStart)
	return v
}

// Explain says why a bind of the port failed with EACCES under the facts. Where
// the capability rules would have let it pass, something else refused it.
func Explain(f Facts, port int) Verdict {
	s := f.start(port)
	j := Judge(law.Kernel{}, s)
	v := verdict(s, &j)
	if v.Needs != Fail {
		v.Reason = j.blockedReason(f, s, v)
		v.Needs, v.Cause, v.Remedy = Fail, Blocked, blockedRemedy(f)
	}
	return v
}

// blockedReason words a refusal that the capability rules do not explain.
func (j *Judgement) blockedReason(f Facts, s *scenario.Start, v Verdict) string {
	which := "a security module or a BPF program"
	if f.Seccomp != 0 {
		which = "a seccomp filter, a security module or a BPF program"
	}
	if v.Needs == Free {
		return fmt.Sprintf("port %d needs no capability here (net.ipv4.ip_unprivileged_port_start is %s); %s refused the bind", v.Port, j.portStart(s), which)
	}
	also := ""
	if f.NetworkOwner == OwnerUnknown {
		also = ", or the network namespace belongs to another user namespace"
	}
	return fmt.Sprintf("%s: it is permitted, and yet %s refused%s", j.needs(s, v.Port), which, also)
}

// blockedRemedy says where to look for who refused.
func blockedRemedy(f Facts) string {
	const look = "look for the denial in dmesg or the audit log"
	switch f.Environment {
	case Docker, Podman:
		return look + ", and find out which with --security-opt seccomp=unconfined, apparmor=unconfined or label=disable"
	case Kubernetes:
		return look + " of the node, then at seccompProfile, appArmorProfile and seLinuxOptions of the pod"
	case Systemd:
		return look + ", then at SystemCallFilter=, SocketBindDeny= and SELinuxContext= of the unit"
	default:
		return look + " (ausearch -m avc -ts recent)"
	}
}
