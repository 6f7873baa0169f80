package diagnose

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/scenario"
)

// how words a change in the notation of the start's source; "" where it cannot
// be written there.
func how(c Change, p *patient) string {
	switch c {
	case ChangePort:
		return p.listenElsewhere()
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile:
		return p.treatFile(c)
	case Direct:
		return p.executeDirectly()
	case Restart:
		return "start it again"
	case HostSysctl:
		return fmt.Sprintf("on the host: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", p.port)
	}
	switch p.start.Syntax {
	case scenario.DockerRun, scenario.PodmanRun:
		return p.flag(c)
	case scenario.Compose:
		return p.composeKey(c)
	case scenario.Kubernetes:
		return p.podField(c)
	case scenario.Unit, scenario.SystemdRun:
		return p.directive(c)
	case scenario.OCI:
		return p.ociField(c)
	default:
		return p.command(c)
	}
}

// listenElsewhere names the ports that need no capability.
func (p *patient) listenElsewhere() string {
	changed := clone(p.start)
	p.changePorts(changed)
	var to []string
	for i, l := range changed.Listens {
		if l.Port != p.start.Listens[i].Port {
			to = append(to, fmt.Sprintf("%s instead of %s", l, p.start.Listens[i]))
		}
	}
	text := "let it listen on " + strings.Join(to, ", ")
	switch p.start.Syntax {
	case scenario.DockerRun, scenario.PodmanRun, scenario.Compose:
		return text + "; a published port can stay as it is outside"
	case scenario.Kubernetes:
		return text + "; a Service can stay on the port as it is, with another targetPort"
	default:
		return text
	}
}

// treatFile words a change of the file, wherever it lies.
func (p *patient) treatFile(c Change) string {
	last := p.start.Program.Last()
	path, word := last.Path, shellWord(last.Path)
	if path == "" {
		path, word = "the program's file", "the program's file"
	}
	changed := clone(p.start)
	p.changeFile(c, changed)
	where := ""
	if p.start.Request.Image != "" || p.containerized() {
		where = "in the image: "
	}
	switch c {
	case MoveFile:
		if where != "" {
			return fmt.Sprintf("put %s in the image instead of a volume", path)
		}
		return fmt.Sprintf("move %s to a file system that is mounted without nosuid", path)
	case FileStrip:
		return where + sudo(where) + "setcap -r " + word
	}
	if last.File.Foreign {
		where = "in the user namespace where the program runs: "
	}
	return where + sudo(where) + setcap(changed.Program.Last().File.Caps, word)
}

// shellWord returns a name as one word of a shell's command line, which a reader
// may copy: names in images and manifests are not the reader's own.
func shellWord(name string) string {
	plain := func(r rune) bool {
		return r >= utf8.RuneSelf || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || strings.ContainsRune("/._-+=@:,%", r)
	}
	if !strings.HasPrefix(name, "-") && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func setcap(caps filecap.Caps, path string) string {
	text := caps.State().String()
	if strings.Contains(text, " ") {
		text = "'" + text + "'"
	}
	return "setcap " + text + " " + path
}

func sudo(where string) string {
	if where == "" {
		return "sudo "
	}
	return ""
}

// containerized reports whether the program's file comes from an image.
func (p *patient) containerized() bool {
	switch p.start.Syntax {
	case scenario.Host, scenario.Unit, scenario.SystemdRun:
		return false
	default:
		return true
	}
}

func (p *patient) executeDirectly() string {
	path := p.start.Program.Last().Path
	first := p.start.Program.Chain[0].Path
	switch p.start.Syntax {
	case scenario.DockerRun, scenario.PodmanRun:
		return fmt.Sprintf("--entrypoint=%s, so that %s does not start it", shellWord(path), first)
	case scenario.Compose:
		return p.at(fmt.Sprintf("entrypoint: [%q]", path))
	case scenario.Kubernetes:
		return p.at(fmt.Sprintf("command: [%q], so that it is not a child of %s", path, first))
	case scenario.Unit, scenario.SystemdRun:
		return "ExecStart=" + path + " itself, without " + first
	case scenario.OCI:
		return fmt.Sprintf("process.args: start with %q", path)
	default:
		return fmt.Sprintf("start %s itself, not through %s", path, first)
	}
}

// added returns the capabilities that are to be added.
func (p *patient) added() capset.Set {
	if p.missing == 0 {
		return netBindService
	}
	return p.missing
}

// names returns the capabilities that are to be added, as cap_add and the like
// want them.
func (p *patient) names(prefix string) []string {
	var out []string
	for c := range p.added().Caps() {
		out = append(out, prefix+strings.ToUpper(strings.TrimPrefix(c.String(), "cap_")))
	}
	return out
}

// flag words a change as options of docker run and podman run.
func (p *patient) flag(c Change) string {
	run := string(p.start.Syntax) + " run "
	switch c {
	case Sysctl:
		return fmt.Sprintf("%s--sysctl=net.ipv4.ip_unprivileged_port_start=%d", run, p.port)
	case AddCapability:
		return run + "--cap-add=" + strings.Join(p.names(""), " --cap-add=")
	case AllowNewPrivs:
		return run + "without --security-opt=no-new-privileges"
	case OwnNetwork:
		return run + "without --network=host"
	case HostUsers:
		return run + "--userns=host"
	case RunAsUser:
		return fmt.Sprintf("%s--user=%d", run, ordinaryUser)
	case RunAsRoot:
		return run + "--user=0"
	default:
		return ""
	}
}

// at puts the place in the file before a change.
func (p *patient) at(change string) string {
	w := p.start.Where
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

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// composeKey words a change as keys of a service.
func (p *patient) composeKey(c Change) string {
	switch c {
	case Sysctl:
		return p.at(fmt.Sprintf("sysctls: {net.ipv4.ip_unprivileged_port_start: %d}", p.port))
	case AddCapability:
		return p.at("cap_add: [" + strings.Join(p.names(""), ", ") + "]")
	case AllowNewPrivs:
		return p.at("security_opt: leave out no-new-privileges")
	case OwnNetwork:
		return p.at("network_mode: leave out host")
	case HostUsers:
		return p.at("userns_mode: host")
	case RunAsUser:
		return p.at(fmt.Sprintf("user: %q", fmt.Sprint(ordinaryUser)))
	case RunAsRoot:
		return p.at(`user: "0"`)
	default:
		return ""
	}
}

// podField words a change as fields of a container or its pod.
func (p *patient) podField(c Change) string {
	switch c {
	case Sysctl:
		return p.atPod(fmt.Sprintf(`securityContext.sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "%d"}]`, p.port))
	case AddCapability:
		return p.at("securityContext.capabilities.add: [" + strings.Join(p.names(""), ", ") + "]")
	case AllowNewPrivs:
		return p.at("securityContext.allowPrivilegeEscalation: true")
	case OwnNetwork:
		return p.atPod("hostNetwork: false")
	case HostUsers:
		return p.atPod("hostUsers: true")
	case RunAsUser:
		return p.at(fmt.Sprintf("securityContext.runAsUser: %d", ordinaryUser))
	case RunAsRoot:
		return p.at("securityContext.runAsUser: 0")
	default:
		return ""
	}
}

// atPod puts the place of the pod's specification before a change: the path of
// the container without its last part.
func (p *patient) atPod(change string) string {
	w := p.start.Where
	w.Line = 0 // which is the container's
	if i := strings.LastIndexByte(w.Path, '.'); i >= 0 {
		w.Path = w.Path[:i]
	} else {
		w.Path = ""
	}
	pod := *p.start
	pod.Where = w
	return (&patient{start: &pod}).at(change)
}

// directive words a change as lines of a unit, or options of systemd-run.
func (p *patient) directive(c Change) string {
	var lines []string
	switch c {
	case AddCapability:
		lines = []string{"CapabilityBoundingSet=" + strings.Join(p.names("CAP_"), " ")}
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
	if p.start.Syntax == scenario.SystemdRun {
		return "-p " + strings.Join(lines, " -p ")
	}
	text := strings.Join(lines, ", ")
	if w := p.start.Where; w.File != "" {
		return fmt.Sprintf("%s: [Service] %s", w.File, text)
	}
	return text + " in the unit"
}

// ociField words a change as fields of config.json.
func (p *patient) ociField(c Change) string {
	caps := `["` + strings.Join(p.names("CAP_"), `", "`) + `"]`
	switch c {
	case Sysctl:
		return fmt.Sprintf(`linux.sysctl: add "net.ipv4.ip_unprivileged_port_start": "%d"`, p.port)
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
func (p *patient) command(c Change) string {
	switch c {
	case Sysctl:
		return fmt.Sprintf("in its network namespace: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", p.port)
	case AddCapability:
		return "start it from where " + list(p.added()) + " still in the bounding set"
	case Ambient:
		return "as root: setpriv --reuid=" + fmt.Sprint(p.start.Settings.UID) + " --inh-caps=+net_bind_service --ambient-caps=+net_bind_service " + shellWord(p.start.Program.Last().Path)
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

// highAddress returns the port that stands for a low one where ports from start
// on need no capability, and the address with it: 8080 for 80, 8443 for 443.
func highAddress(address string, port, start int) (string, int) {
	high := 8000 + port
	if high < start || high >= 1<<16 {
		high = start
	}
	return strings.TrimSuffix(address, fmt.Sprint(port)) + fmt.Sprint(high), high
}

// highRange returns the ports of a range that need no capability, or where there
// are none, as many from start on.
func highRange(l scenario.Listen, start int) scenario.Listen {
	switch first := max(l.Port, 1); {
	case l.Port >= start:
		return l
	case l.Last >= start:
		return scenario.NewListen(l.Network, start, l.Last, l.From)
	default:
		return scenario.NewListen(l.Network, start, min(start+l.Last-first, 1<<16-1), l.From)
	}
}

// capName is the capability as messages name it.
func capName(c capset.Cap) string { return strings.ToUpper(c.String()) }
