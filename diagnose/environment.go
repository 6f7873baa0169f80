package diagnose

import "strings"

// surroundings is what tells environments apart: environment variables, the
// files that engines put into containers, and the process's cgroups.
type surroundings struct {
	getenv func(string) string
	exists func(path string) bool
	cgroup string // the text of /proc/self/cgroup
}

// environment names the innermost environment. Kubernetes comes first, since
// its containers are those of an engine too, and systemd last, since engines
// are often services.
func (s surroundings) environment() Environment {
	switch {
	case s.getenv("KUBERNETES_SERVICE_HOST") != "",
		s.exists("/var/run/secrets/kubernetes.io"),
		strings.Contains(s.cgroup, "kubepods"):
		return Kubernetes
	case s.exists("/run/.containerenv"), s.getenv("container") == "podman":
		return Podman
	case s.exists("/.dockerenv"), strings.Contains(s.cgroup, "/docker"):
		return Docker
	case s.getenv("INVOCATION_ID") != "" && s.inService():
		return Systemd
	default:
		return PlainHost
	}
}

// inService reports whether a cgroup of the process is a service of systemd. A
// login shell inherits INVOCATION_ID too, but lives in a scope.
func (s surroundings) inService() bool {
	for line := range strings.Lines(s.cgroup) {
		if strings.HasSuffix(strings.TrimSpace(line), ".service") {
			return true
		}
	}
	return false
}
