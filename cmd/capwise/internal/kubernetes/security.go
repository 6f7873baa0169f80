package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
)

// context is a container's security context with what it inherits from its pod.
type context struct {
	corev1.SecurityContext
	groups []int64 // supplementary
}

// effective is DetermineEffectiveSecurityContext of kubelet's securitycontext.
func effective(pod *corev1.PodSecurityContext, container *corev1.SecurityContext) context {
	var c context
	if container != nil {
		c.SecurityContext = *container
	}
	if pod == nil {
		return c
	}
	c.RunAsUser = inherit(c.RunAsUser, pod.RunAsUser)
	c.RunAsGroup = inherit(c.RunAsGroup, pod.RunAsGroup)
	c.RunAsNonRoot = inherit(c.RunAsNonRoot, pod.RunAsNonRoot)
	c.SeccompProfile = inherit(c.SeccompProfile, pod.SeccompProfile)
	c.AppArmorProfile = inherit(c.AppArmorProfile, pod.AppArmorProfile)
	c.SELinuxOptions = inherit(c.SELinuxOptions, pod.SELinuxOptions)
	c.groups = slices.Clone(pod.SupplementalGroups)
	if pod.FSGroup != nil {
		c.groups = append(c.groups, *pod.FSGroup)
	}
	return c
}

// inherit returns what the container says, or else what its pod says.
func inherit[T any](container, pod *T) *T {
	if container != nil {
		return container
	}
	return pod
}

func isTrue(b *bool) bool { return b != nil && *b }

// identity is as whom the program runs.
func identity(s *scenario.Start, c *context) {
	if c.RunAsUser != nil {
		s.Request.User = strconv.FormatInt(*c.RunAsUser, 10)
		s.Settings.UID = uint32(*c.RunAsUser)
	}
	if c.RunAsGroup != nil {
		s.Request.User += ":" + strconv.FormatInt(*c.RunAsGroup, 10)
		s.Settings.GID = uint32(*c.RunAsGroup)
	}
	for _, group := range c.groups {
		s.Request.Groups = append(s.Request.Groups, strconv.FormatInt(group, 10))
	}
	s.Request.NonRoot = isTrue(c.RunAsNonRoot)
	if n := c.RunAsUser; s.Settings.UserNamespace && n != nil && *n > lastMapped {
		refuse(s, scenario.CauseUnmappedUser, fmt.Sprintf("the user namespace of hostUsers: false has the users 0 to %d, and runAsUser is %d", lastMapped, *n))
	}
	if s.Request.NonRoot && c.RunAsUser != nil && *c.RunAsUser == 0 {
		refuse(s, scenario.CauseRunAsNonRoot, "runAsNonRoot is set, and runAsUser is 0")
	}
}

// lastMapped is the last id that a pod's user namespace has
// (https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/).
const lastMapped = 65535

// privileges is the capabilities and no_new_privs.
func privileges(s *scenario.Start, c *context) {
	privileged := isTrue(c.Privileged)
	s.Settings.NoNewPrivs = c.AllowPrivilegeEscalation != nil && !*c.AllowPrivilegeEscalation
	capabilities(s, c.Capabilities)
	if privileged {
		s.Settings.Granted = capset.All
	}
	if s.Settings.Runtime.Version == "" {
		unsureOfRuntime(s, c.Capabilities, privileged)
	}
	if s.Settings.NoNewPrivs && (privileged || c.Capabilities != nil && slices.Contains(c.Capabilities.Add, "CAP_SYS_ADMIN")) {
		refuse(s, scenario.CauseInvalidManifest, "the API server accepts allowPrivilegeEscalation: false neither with privileged: true nor with CAP_SYS_ADMIN")
	}
}

// capabilities is what containerd and CRI-O make of the lists: first ALL added,
// then ALL dropped, then each name added, then each dropped.
func capabilities(s *scenario.Start, lists *corev1.Capabilities) {
	if lists != nil {
		add, _ := names(s, lists.Add)
		drop, _ := names(s, lists.Drop)
		if both := add & drop; both != 0 {
			s.Note(fmt.Sprintf("%s is both added and dropped: dropping wins", both))
		}
	}
	grant(s, lists)
}

// grant fills in what the start's runtime makes of the lists.
func grant(s *scenario.Start, lists *corev1.Capabilities) {
	granted := s.Settings.Runtime.Behaviour().Default
	s.Settings.Added = 0
	if lists != nil {
		quiet := scenario.Start{Settings: s.Settings}
		add, addAll := names(&quiet, lists.Add)
		drop, dropAll := names(&quiet, lists.Drop)
		if addAll {
			granted, s.Settings.Added = capset.All, capset.All
		}
		if dropAll {
			granted = 0
		}
		s.Settings.Added |= add
		granted = (granted | add) &^ drop
	}
	s.Settings.Granted = granted
}

// names reads a list. Kubernetes writes capabilities without CAP_, and runtimes
// put it before whatever stands there.
func names(s *scenario.Start, list []corev1.Capability) (set capset.Set, all bool) {
	for _, entry := range list {
		name := string(entry)
		if strings.EqualFold(name, "all") {
			all = true
			continue
		}
		c, err := engine.Capability(name)
		prefixed := strings.HasPrefix(strings.ToUpper(name), "CAP_")
		switch {
		case err == nil && prefixed && s.Settings.Runtime.Name != scenario.CRIO:
			s.Note(fmt.Sprintf("capability %q counts for nothing: Kubernetes writes it without CAP_", name))
		case err != nil:
			s.Note(fmt.Sprintf("capability %q is unknown, and counts for nothing", name))
		default:
			set |= capset.Of(c)
		}
	}
	return set, all
}

// profiles notes the security modules, which are not judged.
func profiles(s *scenario.Start, c *context) {
	if p := c.SeccompProfile; p != nil && p.Type == corev1.SeccompProfileTypeLocalhost && p.LocalhostProfile != nil {
		s.Note(fmt.Sprintf("the seccomp profile %s is not judged: it may refuse what the kernel's own rules allow", *p.LocalhostProfile))
	}
	if p := c.AppArmorProfile; p != nil && p.Type == corev1.AppArmorProfileTypeLocalhost && p.LocalhostProfile != nil {
		s.Note(fmt.Sprintf("the apparmor profile %s is not judged: it may refuse what the kernel's own rules allow", *p.LocalhostProfile))
	}
	if c.SELinuxOptions != nil {
		s.Note("the SELinux label of seLinuxOptions is not judged")
	}
}

// runtimes are those that may be behind a kubelet, where nobody says which.
var runtimes = []struct {
	is      string
	runtime scenario.Runtime
}{
	{"containerd before 2.0 runs the pod", scenario.Runtime{Name: scenario.Containerd, Version: "1.7"}},
	{"containerd 2.0 or later runs the pod", scenario.Runtime{Name: scenario.Containerd, Version: "2.0"}},
	{"CRI-O runs the pod", scenario.Runtime{Name: scenario.CRIO, Version: scenario.CRIO.AssumedVersion()}},
}

// unsureOfRuntime is for a manifest, which does not say what will run it.
func unsureOfRuntime(s *scenario.Start, lists *corev1.Capabilities, privileged bool) {
	u := scenario.Unknown{Fact: scenario.FactRuntime, What: "the node's container runtime", Settle: "--runtime-version, such as containerd:2.1"}
	for _, r := range runtimes {
		u.Cases = append(u.Cases, scenario.Case{If: r.is, Set: func(s *scenario.Start) {
			s.Settings.Runtime = r.runtime
			if grant(s, lists); privileged {
				s.Settings.Granted = capset.All
			}
			refuseUserNamespace(s)
		}})
	}
	s.Unsure(u)
}

// refuseUserNamespace is for a runtime that knows none for pods.
func refuseUserNamespace(s *scenario.Start) {
	r := s.Settings.Runtime
	if s.Settings.UserNamespace && r.Name == scenario.Containerd && r.Before("2.0") {
		refuse(s, scenario.CauseNoUserNamespace, "hostUsers: false needs containerd 2.0 or later")
	}
}
