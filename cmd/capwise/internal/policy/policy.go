// Package policy says what the policies of Kubernetes platforms forbid: Pod
// Security's baseline and restricted, by the library that the API server uses,
// and OpenShift's restricted-v2.
package policy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/scenario"
)

// Names lists the policies, for help and errors.
const Names = "baseline, restricted, restricted-v2"

// Policy is one platform's policy.
type Policy struct {
	name      string
	level     api.Level // "" for OpenShift's
	evaluator policy.Evaluator
}

// ByName returns the policy. The error lists the names.
func ByName(name string) (*Policy, error) {
	p := &Policy{name: name}
	switch name {
	case "restricted-v2":
		return p, nil
	case string(api.LevelBaseline), string(api.LevelRestricted):
		p.level = api.Level(name)
	default:
		return nil, fmt.Errorf("policy %q: want one of %s", name, Names)
	}
	var err error
	p.evaluator, err = policy.NewEvaluator(policy.DefaultChecks(), nil)
	return p, err
}

// String names the policy in a sentence.
func (p *Policy) String() string {
	if p.level == "" {
		return "OpenShift " + p.name
	}
	return "Pod Security " + p.name
}

// Forbids returns what the policy has against the pod of the container as it is.
func (p *Policy) Forbids(c *kubernetes.Container) []string {
	if p.level == "" {
		return forbiddenByOpenShift(c)
	}
	return p.check(c.Template)
}

// check asks the library of the API server.
func (p *Policy) check(t *corev1.PodTemplateSpec) []string {
	var out []string
	spec := defaulted(&t.Spec)
	for _, r := range p.evaluator.EvaluatePod(api.LevelVersion{Level: p.level, Version: api.LatestVersion()}, &t.ObjectMeta, spec) {
		if !r.Allowed {
			out = append(out, r.ForbiddenReason+" ("+r.ForbiddenDetail+")")
		}
	}
	return out
}

// defaulted is the PodSpec as the API server completes it before it asks: a container on
// the host's network has each of its ports on the host.
func defaulted(spec *corev1.PodSpec) *corev1.PodSpec {
	if !spec.HostNetwork {
		return spec
	}
	spec = spec.DeepCopy()
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for j := range list[i].Ports {
				list[i].Ports[j].HostPort = list[i].Ports[j].ContainerPort
			}
		}
	}
	return spec
}

// Of returns what [diagnose.Remedies] asks: why the policy forbids changes of the
// container that it lets pass before.
func (p *Policy) Of(c *kubernetes.Container) diagnose.Policy {
	before := p.Forbids(c)
	return func(changed *scenario.Start, changes []diagnose.Change) string {
		after := own(c)
		for _, change := range changes {
			apply(after, change, changed)
		}
		var why []string
		for _, reason := range p.Forbids(after) {
			if !slices.Contains(before, reason) {
				why = append(why, reason)
			}
		}
		if len(why) == 0 {
			return ""
		}
		return p.String() + " forbids it: " + strings.Join(why, "; ")
	}
}

// own returns the container with a pod of its own, which can be changed.
func own(c *kubernetes.Container) *kubernetes.Container {
	o := *c
	o.Template = c.Template.DeepCopy()
	return &o
}

// apply makes a change in the pod, as the remedy's words say it.
func apply(c *kubernetes.Container, change diagnose.Change, changed *scenario.Start) {
	spec := &c.Template.Spec
	sc := securityContext(c)
	set := &changed.Settings
	switch change {
	case diagnose.AddCapability:
		if sc.Capabilities == nil {
			sc.Capabilities = &corev1.Capabilities{}
		}
		for added := range (set.Granted &^ c.Settings.Granted).Caps() {
			name := strings.ToUpper(strings.TrimPrefix(added.String(), "cap_"))
			sc.Capabilities.Add = append(sc.Capabilities.Add, corev1.Capability(name))
		}
	case diagnose.AllowNewPrivs:
		sc.AllowPrivilegeEscalation = new(true)
	case diagnose.RunAsRoot, diagnose.RunAsUser:
		sc.RunAsUser = new(int64(set.UID))
		if change == diagnose.RunAsRoot {
			sc.RunAsNonRoot = nil
		}
	case diagnose.Sysctl:
		if spec.SecurityContext == nil {
			spec.SecurityContext = &corev1.PodSecurityContext{}
		}
		spec.SecurityContext.Sysctls = append(spec.SecurityContext.Sysctls,
			corev1.Sysctl{Name: "net.ipv4.ip_unprivileged_port_start", Value: fmt.Sprint(set.PortStart)})
	case diagnose.OwnNetwork:
		spec.HostNetwork = false
	case diagnose.HostUsers:
		spec.HostUsers = new(true)
	}
}

// securityContext returns the container's own, made if need be.
func securityContext(c *kubernetes.Container) *corev1.SecurityContext {
	var at **corev1.SecurityContext
	spec := &c.Template.Spec
	switch c.List {
	case kubernetes.InitContainers:
		at = &spec.InitContainers[c.Index].SecurityContext
	case kubernetes.EphemeralContainers:
		at = &spec.EphemeralContainers[c.Index].SecurityContext
	default:
		at = &spec.Containers[c.Index].SecurityContext
	}
	if *at == nil {
		*at = &corev1.SecurityContext{}
	}
	return *at
}
