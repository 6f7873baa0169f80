package policy

import (
	"fmt"
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/scenario"
)

// rangedUser is a user id as OpenShift gives it to a namespace: from a range of
// its own, openshift.io/sa.scc.uid-range, which begins at 1000000000.
const rangedUser = 1000650000

// Admit makes what the policy's admission makes of a container: OpenShift fills
// in what the pod leaves open, and drops every capability. It changes the
// container in c alone, and notes what it did. A pod that the policy forbids is refused.
func (p *Policy) Admit(c *kubernetes.Container) {
	if reasons := p.Forbids(c); len(reasons) > 0 && c.Refused == nil {
		c.Refused = p.refusal(c, reasons)
	}
	if p.level != "" {
		return // Pod Security changes nothing
	}
	set := &c.Settings
	sc := securityContext(own(c))
	if sc.RunAsUser == nil && (c.Template.Spec.SecurityContext == nil || c.Template.Spec.SecurityContext.RunAsUser == nil) {
		set.UID, c.Request.User = rangedUser, fmt.Sprint(rangedUser)
		c.Note(fmt.Sprintf("%s runs it as a user of the namespace's range, taken to be %d", p, rangedUser))
	}
	set.NoNewPrivs = true
	set.Granted &= set.Added & netBindService
	if set.Runtime.Name == scenario.Containerd && set.Runtime.Version == "" { // which OpenShift does not have
		set.Runtime.Name = scenario.CRIO
		c.Unknowns = slices.DeleteFunc(c.Unknowns, func(u scenario.Unknown) bool { return u.Fact == scenario.FactRuntime })
	}
}

const netBindService = capset.Set(1 << capset.NetBindService)

// forbiddenByOpenShift is the security context constraint restricted-v2, as its
// manifest in openshift/cluster-kube-apiserver-operator has it: the default drop
// is ALL, NET_BIND_SERVICE may be added, and nothing of the host.
func forbiddenByOpenShift(c *kubernetes.Container) []string {
	var out []string
	forbid := func(when bool, what string) {
		if when {
			out = append(out, what)
		}
	}
	spec, sc := &c.Template.Spec, securityContext(own(c))
	forbid(spec.HostNetwork, "hostNetwork")
	forbid(spec.HostPID, "hostPID")
	forbid(spec.HostIPC, "hostIPC")
	forbid(sc.Privileged != nil && *sc.Privileged, "privileged")
	forbid(sc.AllowPrivilegeEscalation != nil && *sc.AllowPrivilegeEscalation, "allowPrivilegeEscalation: true")
	forbid(sc.RunAsUser != nil && *sc.RunAsUser < rangeStart, "a user id outside of the namespace's range")
	if sc.Capabilities != nil {
		for _, name := range sc.Capabilities.Add {
			forbid(name != "NET_BIND_SERVICE" && name != "CAP_NET_BIND_SERVICE", "capability "+string(name))
		}
	}
	return out
}

// rangeStart is where the ranges of user ids begin.
const rangeStart = 1000000000
