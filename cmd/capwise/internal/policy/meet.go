package policy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/scenario"
)

// refusal is that of a pod as it is, with what the manifest has to say instead, if that
// makes it one that the policy admits.
func (p *Policy) refusal(c *kubernetes.Container, reasons []string) *scenario.Refusal {
	r := &scenario.Refusal{Cause: scenario.CausePolicyRefused, Reason: p.String() + " does not admit the pod: " + strings.Join(reasons, "; ")}
	if p.level == "" {
		return r
	}
	fixed := own(c)
	m := meeting{spec: &fixed.Template.Spec, said: map[string][]string{}}
	m.pod()
	for _, list := range []struct {
		name kubernetes.List
		of   []corev1.Container
	}{{kubernetes.InitContainers, m.spec.InitContainers}, {kubernetes.Containers, m.spec.Containers}} {
		for i := range list.of {
			m.container(fmt.Sprintf("%s[%d]", list.name, i), &list.of[i])
		}
	}
	if len(p.Forbids(fixed)) > 0 {
		return r
	}
	r.Remedy, r.Fields, r.Apply = m.words(c), m.fields, func(s *scenario.Start) { m.apply(s, securityContext(fixed)) }
	return r
}

// meeting makes a pod one that restricted admits, and so does baseline.
type meeting struct {
	spec *corev1.PodSpec
	// said is what was changed, by the place in the PodSpec.
	said   map[string][]string
	fields []scenario.Field
}

// say says that the field of a place has to have a value.
func (m *meeting) say(at, field, value string) {
	m.said[at] = append(m.said[at], field+": "+value)
	m.fields = append(m.fields, scenario.Field{Path: strings.TrimPrefix(at+"."+field, "."), Value: value})
}

func (m *meeting) pod() {
	for what, field := range map[string]*bool{"hostNetwork": &m.spec.HostNetwork, "hostPID": &m.spec.HostPID, "hostIPC": &m.spec.HostIPC} {
		if *field {
			*field = false
			m.say("", what, "false")
		}
	}
}

// container changes one container. What the pod says already need not be said again.
func (m *meeting) container(at string, c *corev1.Container) {
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	sc, pod := c.SecurityContext, m.spec.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	at += ".securityContext"
	if sc.Privileged != nil && *sc.Privileged {
		sc.Privileged = nil
		m.say(at, "privileged", "false")
	}
	if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation {
		sc.AllowPrivilegeEscalation = new(false)
		m.say(at, "allowPrivilegeEscalation", "false")
	}
	m.capabilities(at, sc)
	if n := sc.RunAsNonRoot; n != nil && !*n || n == nil && (pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot) {
		sc.RunAsNonRoot = new(true)
		m.say(at, "runAsNonRoot", "true")
	}
	if user := sc.RunAsUser; user != nil && *user == 0 || user == nil && pod.RunAsUser != nil && *pod.RunAsUser == 0 {
		sc.RunAsUser = new(int64(65532))
		m.say(at, "runAsUser", "65532")
	}
	if s := sc.SeccompProfile; s != nil && s.Type == corev1.SeccompProfileTypeUnconfined || s == nil && pod.SeccompProfile == nil {
		sc.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
		m.say(at, "seccompProfile", "{type: RuntimeDefault}")
	}
	for i := range c.Ports {
		if c.Ports[i].HostPort != 0 {
			c.Ports[i].HostPort = 0
			place, port := strings.TrimSuffix(at, ".securityContext"), fmt.Sprintf("ports[%d]", i)
			m.said[place] = append(m.said[place], port+" without hostPort")
			m.fields = append(m.fields, scenario.Field{Path: place + "." + port + ".hostPort"})
		}
	}
}

func (m *meeting) capabilities(at string, sc *corev1.SecurityContext) {
	if sc.Capabilities == nil {
		sc.Capabilities = &corev1.Capabilities{}
	}
	caps := sc.Capabilities
	if !slices.Contains(caps.Drop, "ALL") {
		caps.Drop = []corev1.Capability{"ALL"}
		m.say(at, "capabilities.drop", "[ALL]")
	}
	if other := func(c corev1.Capability) bool { return c != "NET_BIND_SERVICE" }; slices.ContainsFunc(caps.Add, other) {
		caps.Add = slices.DeleteFunc(caps.Add, other)
		text := "[]"
		if len(caps.Add) > 0 {
			text = "[NET_BIND_SERVICE]"
		}
		m.say(at, "capabilities.add", text)
	}
}

// words says what was changed, with the places in the manifest.
func (m *meeting) words(c *kubernetes.Container) string {
	where := c.Where.File
	if where != "" {
		where += ": "
	}
	pod := c.Where.Path
	if i := strings.LastIndexByte(pod, '.'); i >= 0 {
		pod = pod[:i]
	}
	var out []string
	for at, what := range m.said {
		slices.Sort(what)
		if at != "" {
			at = "." + at
		}
		out = append(out, pod+at+": "+strings.Join(what, ", "))
	}
	slices.Sort(out)
	return where + strings.Join(out, "; ")
}

// apply makes of a start what the changed pod makes of it.
func (m *meeting) apply(s *scenario.Start, sc *corev1.SecurityContext) {
	set := &s.Settings
	set.NoNewPrivs = true
	set.Granted &= set.Added & netBindService
	set.Added &= netBindService
	if !m.spec.HostNetwork {
		set.Network = scenario.NetworkPrivate
	}
	if sc.RunAsUser != nil {
		set.UID, set.Somebody = uint32(*sc.RunAsUser), false
	}
	if s.Request.NonRoot = true; set.UID == 0 {
		s.Refused = &scenario.Refusal{Cause: scenario.CauseRunAsNonRoot, Reason: "runAsNonRoot is set, and the program would run as root"}
	}
}
