package diagnose

import "fmt"

// remedy returns one change that makes the bind work, in the words of the
// environment. Where the plainest change would not be enough by itself (a
// capability added to a container whose program cannot take it up), it names
// one that is.
func remedy(f Facts, c Cause, port int) string {
	switch c {
	case NotInBoundingSet:
		return boundingRemedy(f)
	case NoFileCapability:
		return fileRemedy(f)
	case LostToNoNewPrivs:
		return noNewPrivsRemedy(f)
	case NosuidMount:
		return nosuidRemedy(f)
	case ForeignFileCapability:
		return fmt.Sprintf("in the user namespace where the program runs: setcap cap_net_bind_service=p %s", f.executable())
	case GivenUp:
		return "start the program again, and keep CAP_NET_BIND_SERVICE in the permitted set"
	case ForeignNetwork:
		return networkRemedy(f, port)
	default:
		return blockedRemedy(f)
	}
}

// boundingRemedy puts the capability in the bounding set, and sees to it that
// the program can take it up from there.
func boundingRemedy(f Facts) string {
	takesUp := f.actsAsRoot() || f.fileGrants() && !f.Nosuid && !f.FileForeign
	andFile := ""
	if !takesUp {
		andFile = fmt.Sprintf(", and in the image: setcap cap_net_bind_service=p %s", f.executable())
	}
	switch f.Environment {
	case Docker:
		if f.NoNewPrivs && !f.actsAsRoot() {
			andFile += ", and leave out --security-opt=no-new-privileges"
		}
		return "docker run --cap-add=NET_BIND_SERVICE" + andFile
	case Podman: // which makes an added capability ambient for a user other than root
		return "podman run --cap-add=NET_BIND_SERVICE"
	case Kubernetes:
		return "securityContext.capabilities.add: [NET_BIND_SERVICE] in the container" + andFile
	case Systemd: // with which the file matters no more
		return "CapabilityBoundingSet=CAP_NET_BIND_SERVICE and AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
	default:
		if !takesUp {
			andFile = fmt.Sprintf(", and setcap cap_net_bind_service=p %s", f.executable())
		}
		return "start it from where CAP_NET_BIND_SERVICE is still in the bounding set" + andFile
	}
}

// fileRemedy makes the program permitted to use what the bounding set allows.
func fileRemedy(f Facts) string {
	setcap := "setcap cap_net_bind_service=p " + f.executable()
	switch f.Environment {
	case Docker, Kubernetes:
		return "in the image: " + setcap
	case Podman:
		return "podman run --cap-add=NET_BIND_SERVICE"
	case Systemd:
		return "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
	default:
		return "sudo " + setcap + " and start it again"
	}
}

func noNewPrivsRemedy(f Facts) string {
	switch f.Environment {
	case Docker:
		return "docker run without --security-opt=no-new-privileges"
	case Podman:
		return "podman run --cap-add=NET_BIND_SERVICE"
	case Kubernetes:
		if f.Wrapper != "" {
			return fmt.Sprintf("make %s the container's command itself, not a child of %s", f.executable(), f.Wrapper)
		}
		return "securityContext.allowPrivilegeEscalation: true in the container"
	case Systemd:
		return "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
	default:
		return "start it without no_new_privs (setpriv --no-new-privs, NoNewPrivileges=, a sandbox)"
	}
}

func nosuidRemedy(f Facts) string {
	switch f.Environment {
	case Docker, Podman, Kubernetes:
		return fmt.Sprintf("put %s in the image instead of a volume", f.executable())
	case Systemd:
		return "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
	default:
		return "move the program to a file system that is mounted without nosuid"
	}
}

func networkRemedy(f Facts, port int) string {
	switch f.Environment {
	case Docker:
		return "docker run --userns=host, or without --network=host"
	case Podman:
		return fmt.Sprintf("podman run without --network=host, or on the host: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", port)
	case Kubernetes:
		return "hostUsers: true or hostNetwork: false in the pod"
	case Systemd:
		return "PrivateUsers=no in the unit, or a .socket unit that passes the port"
	default:
		return fmt.Sprintf("on the host: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", port)
	}
}

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
