package diagnose

import (
	"regexp"
	"strings"
)

// surroundings is what tells environments apart: environment variables, the
// files and mounts that engines put into containers, and the process's cgroups.
type surroundings struct {
	getenv    func(string) string
	exists    func(path string) bool
	cgroup    string // the text of /proc/self/cgroup
	mountinfo string // the text of /proc/self/mountinfo
}

// dockerMount matches Docker's own mounts in a container, such as that of
// /etc/hostname from the container's folder below the data root. The file
// /.dockerenv alone proves nothing: machines made from images have it too.
var dockerMount = regexp.MustCompile(`/containers/[0-9a-f]{64}/`)

// environment names the innermost environment. systemd comes first, since no
// engine passes INVOCATION_ID on into a container, and Kubernetes before the
// engines that it uses.
func (s surroundings) environment() Environment {
	switch {
	case s.getenv("INVOCATION_ID") != "" && s.inService():
		return Systemd
	case s.getenv("KUBERNETES_SERVICE_HOST") != "",
		s.exists("/var/run/secrets/kubernetes.io"),
		strings.Contains(s.cgroup, "kubepods"):
		return Kubernetes
	case s.exists("/run/.containerenv"), s.getenv("container") == "podman":
		return Podman
	case s.exists("/.dockerenv") && (s.mountinfo == "" || dockerMount.MatchString(s.mountinfo)):
		return Docker
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
