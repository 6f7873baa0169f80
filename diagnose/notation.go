package diagnose

import (
	"fmt"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
)

// flag words a change as options of docker run and podman run.
func (x *candidate) flag(c Change) string {
	run := string(x.start.Syntax) + " run "
	switch c {
	case Sysctl:
		return fmt.Sprintf("%s--sysctl=net.ipv4.ip_unprivileged_port_start=%d", run, x.port)
	case AddCapability:
		return run + "--cap-add=" + strings.Join(x.names(""), " --cap-add=") + x.notDropped()
	case AllowNewPrivs:
		return run + "without --security-opt=no-new-privileges"
	case OwnNetwork:
		return run + "without --network=host"
	case HostUsers:
		return run + "--userns=host"
	case NoSysctl:
		return run + "without --sysctl"
	case RunAsUser:
		return run + "--user=" + x.userText()
	case RunAsRoot:
		return run + "--user=0"
	default:
		return ""
	}
}

// notDropped says what must not be dropped by name if it is added: Podman refuses both,
// and where all is added, Docker drops it still.
func (x *candidate) notDropped() string {
	set := &x.start.Settings
	both := x.added() & set.Dropped
	if both == 0 || set.Runtime.Name != scenario.Podman && set.Added != capset.All {
		return ""
	}
	return ", and no longer dropping " + strings.Join(capWords(both, ""), ", ")
}

// at puts the place in the file before a change.
func (x *candidate) at(change string) string {
	w := x.start.Where
	switch {
	case w.File != "" && w.Line > 0:
		return fmt.Sprintf("%s:%d: %s", w.File, w.Line, joinPath(w.Path, change))
	case w.File != "":
		return fmt.Sprintf("%s: %s", w.File, joinPath(w.Path, change))
	case w.Path != "":
		return joinPath(w.Path, change)
	default:
		return change
	}
}

// userText is the user that [RunAsUser] names, with the group that it changes to.
func (x *candidate) userText() string {
	uid, gid := x.ordinary()
	if x.user == nil {
		return fmt.Sprint(uid)
	}
	return fmt.Sprintf("%d:%d", uid, gid)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// composeKey words a change as keys of a service.
func (x *candidate) composeKey(c Change) string {
	switch c {
	case Sysctl:
		return x.at(fmt.Sprintf("sysctls: {net.ipv4.ip_unprivileged_port_start: %d}", x.port))
	case AddCapability:
		return x.at("cap_add: [" + strings.Join(x.names(""), ", ") + "]" + x.notDropped())
	case AllowNewPrivs:
		return x.at("security_opt: leave out no-new-privileges")
	case OwnNetwork:
		return x.at("network_mode: leave out host")
	case HostUsers:
		return x.at("userns_mode: host")
	case NoSysctl:
		return x.at("sysctls: leave out net.*")
	case RunAsUser:
		return x.at(fmt.Sprintf("user: %q", x.userText()))
	case RunAsRoot:
		return x.at(`user: "0"`)
	default:
		return ""
	}
}

// podField words a change as fields of a container or its pod.
func (x *candidate) podField(c Change) string {
	switch c {
	case Sysctl:
		return x.atPod(fmt.Sprintf(`securityContext.sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "%d"}]`, x.port))
	case AddCapability:
		how := x.at("securityContext.capabilities.add: [" + strings.Join(x.names(""), ", ") + "]")
		if both := x.added() & x.start.Settings.Dropped; both != 0 {
			how += ", and drop without " + strings.Join(capWords(both, ""), ", ")
		}
		return how
	case AllowNewPrivs:
		return x.at("securityContext.allowPrivilegeEscalation: true")
	case OwnNetwork:
		return x.atPod("hostNetwork: false")
	case HostUsers:
		return x.atPod("hostUsers: true")
	case NoSysctl:
		return x.atPod("securityContext.sysctls: leave out net.*")
	case RunAsUser:
		uid, _ := x.ordinary()
		return x.at(fmt.Sprintf("securityContext.runAsUser: %d", uid))
	case RunAsRoot:
		return x.at("securityContext.runAsUser: 0")
	default:
		return ""
	}
}

// atPod puts the place of the pod's specification before a change: the path of
// the container without its last part.
func (x *candidate) atPod(change string) string {
	w := x.start.Where
	w.Line = 0 // which is the container's
	if i := strings.LastIndexByte(w.Path, '.'); i >= 0 {
		w.Path = w.Path[:i]
	} else {
		w.Path = ""
	}
	pod := *x.start
	pod.Where = w
	return (&candidate{start: &pod}).at(change)
}

// directive words a change as lines of a unit, or options of systemd-run.
func (x *candidate) directive(c Change) string {
	var lines []string
	switch c {
	case AllowCalls, AllowFamilies, AllowExec:
		lines = []string{x.sandboxDirective(c)}
	case AddCapability:
		lines = []string{"CapabilityBoundingSet=" + strings.Join(x.names("CAP_"), " ")}
	case Ambient:
		lines = []string{"AmbientCapabilities=" + capName(capset.NetBindService)}
	case AllowNewPrivs:
		lines = []string{"NoNewPrivileges=no"}
	case HostUsers:
		lines = []string{"PrivateUsers=no"}
	case RunAsRoot:
		lines = []string{"User=root"}
	default:
		return ""
	}
	if x.start.Syntax == scenario.SystemdRun {
		return "-p " + strings.Join(lines, " -p ")
	}
	text := strings.Join(lines, ", ")
	if w := x.start.Where; w.File != "" {
		return fmt.Sprintf("%s: [Service] %s", w.File, text)
	}
	return text + " in the unit"
}

// ociField words a change as fields of config.json.
func (x *candidate) ociField(c Change) string {
	caps := `["` + strings.Join(x.names("CAP_"), `", "`) + `"]`
	switch c {
	case Sysctl:
		return fmt.Sprintf(`linux.sysctl: add "net.ipv4.ip_unprivileged_port_start": "%d"`, x.port)
	case AddCapability:
		return "process.capabilities: add " + caps + " to bounding, permitted and effective"
	case Ambient:
		return `process.capabilities: add ["` + capName(capset.NetBindService) + `"] to permitted, inheritable and ambient`
	case AllowNewPrivs:
		return "process.noNewPrivileges: false"
	case OwnNetwork:
		return `linux.namespaces: add {"type": "network"}`
	case HostUsers:
		return "linux.namespaces: leave out user"
	case RunAsRoot:
		return "process.user.uid: 0"
	default:
		return ""
	}
}

// command words a change for who starts a program from a shell.
func (x *candidate) command(c Change) string {
	switch c {
	case Sysctl:
		return fmt.Sprintf("in its network namespace: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", x.port)
	case AddCapability:
		return "start it from where " + list(x.added()) + " still in the bounding set"
	case Ambient:
		return "as root: setpriv --reuid=" + fmt.Sprint(x.start.Settings.UID) + " --inh-caps=+net_bind_service --ambient-caps=+net_bind_service " + shellWord(x.start.Program.Last().Path)
	case AllowNewPrivs:
		return "start it without no_new_privs (setpriv --no-new-privs, NoNewPrivileges=, a sandbox)"
	case HostUsers:
		return "start it outside of the user namespace"
	case RunAsRoot:
		return "start it as root"
	default:
		return ""
	}
}
