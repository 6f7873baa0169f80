package environ

import "strings"

// Environment is where a process runs, as far as it can be seen. It chooses the
// words of a remedy, never a cause.
type Environment string

// The environments.
const (
	PlainHost  Environment = "host"
	Systemd    Environment = "systemd"
	Docker     Environment = "docker"
	Podman     Environment = "podman"
	Kubernetes Environment = "kubernetes"
)

// Signs is what tells environments apart: environment variables, the files and
// mounts that engines put into containers, and the process's cgroups.
type Signs struct {
	Getenv    func(string) string
	Exists    func(path string) bool // in the root of the process
	Cgroup    string                 // the text of /proc/PID/cgroup
	Mountinfo string                 // the text of /proc/PID/mountinfo
}

// dockerMount reports one of Docker's own mounts in a container, such as that of
// /etc/hostname from the container's folder below the data root. The file
// /.dockerenv alone proves nothing: machines made from images have it too.
func dockerMount(mountinfo string) bool {
	const before, digits = "/containers/", 64
	for {
		_, rest, found := strings.Cut(mountinfo, before)
		if !found {
			return false
		}
		if len(rest) > digits && rest[digits] == '/' && strings.Trim(rest[:digits], "0123456789abcdef") == "" {
			return true
		}
		mountinfo = rest
	}
}

// Environment names the innermost environment. systemd comes first, since no
// engine passes INVOCATION_ID on into a container, and Kubernetes before the
// engines that it uses.
func (s Signs) Environment() Environment {
	switch {
	case s.Getenv("INVOCATION_ID") != "" && s.inService():
		return Systemd
	case s.Getenv("KUBERNETES_SERVICE_HOST") != "",
		s.Exists("/var/run/secrets/kubernetes.io"),
		strings.Contains(s.Cgroup, "kubepods"):
		return Kubernetes
	case s.Exists("/run/.containerenv"), s.Getenv("container") == "podman":
		return Podman
	case s.Exists("/.dockerenv") && (s.Mountinfo == "" || dockerMount(s.Mountinfo)):
		return Docker
	default:
		return PlainHost
	}
}

// inService reports whether a cgroup of the process is a service of systemd. A
// login shell inherits INVOCATION_ID too, but lives in a scope.
func (s Signs) inService() bool {
	for line := range strings.Lines(s.Cgroup) {
		if strings.HasSuffix(strings.TrimSpace(line), ".service") {
			return true
		}
	}
	return false
}
