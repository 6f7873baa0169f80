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
func (x *candidate) how(c Change) string {
	switch c {
	case ChangePort:
		return x.listenElsewhere()
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile:
		return x.commandForFile(c)
	case Direct:
		return x.executeDirectly()
	case NoInit:
		return x.withoutInit()
	case Restart:
		return "start it again"
	case HostSysctl:
		port := x.port
		if p := x.lowestPublished(); x.refusedFor(scenario.CauseRootlessPort) {
			port = p
		}
		return fmt.Sprintf("on the host: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", port)
	case MeetPolicy:
		return x.start.Refused.Remedy
	case PublishElsewhere:
		return x.publishElsewhere()
	}
	switch x.start.Syntax {
	case scenario.DockerRun, scenario.PodmanRun:
		return x.flag(c)
	case scenario.Compose:
		return x.composeKey(c)
	case scenario.Kubernetes:
		return x.podField(c)
	case scenario.Unit, scenario.SystemdRun:
		return x.directive(c)
	case scenario.OCI:
		return x.ociField(c)
	default:
		return x.command(c)
	}
}

// listenElsewhere names the ports that need no capability.
func (x *candidate) listenElsewhere() string {
	changed := x.start.Clone()
	x.changePorts(changed)
	var to []string
	for i, l := range changed.Listens {
		if l.Port != x.start.Listens[i].Port {
			to = append(to, fmt.Sprintf("%s instead of %s", l, x.start.Listens[i]))
		}
	}
	text := "let it listen on " + strings.Join(to, ", ")
	switch {
	case x.containerized() && x.start.Settings.Network == scenario.NetworkHost:
		return text + "; clients must use the new port"
	case x.containerized() && x.start.Syntax == scenario.Kubernetes:
		return text + "; a Service can stay on the port as it is, with another targetPort"
	case x.containerized() && x.start.Syntax != scenario.OCI:
		return text + "; a published port can stay as it is outside"
	default:
		return text
	}
}

// publishElsewhere names the ports of the host to publish instead.
func (x *candidate) publishElsewhere() string {
	changed := x.start.Clone()
	x.changeSettings(PublishElsewhere, changed)
	var to []string
	for i, l := range changed.Published {
		if was := x.start.Published[i]; l.Port != was.Port {
			to = append(to, fmt.Sprintf("port %d of the host instead of %d", l.Port, was.Port))
		}
	}
	return "publish " + strings.Join(to, ", ")
}

// withoutInit words leaving out the runtime's init.
func (x *candidate) withoutInit() string {
	if x.start.Syntax == scenario.Compose {
		return x.at("init: false")
	}
	return string(x.start.Syntax) + " run without --init"
}

// commandForFile words a change of the file, wherever it lies.
func (x *candidate) commandForFile(c Change) string {
	last := x.start.Program.Last()
	path, word := last.Path, shellWord(last.Path)
	if path == "" {
		path, word = "the program's file", "the program's file"
	}
	changed := x.start.Clone()
	changeFile(c, changed)
	where := ""
	if x.start.Request.Image != "" || x.containerized() {
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
func (x *candidate) containerized() bool {
	switch x.start.Syntax {
	case scenario.Host, scenario.Unit, scenario.SystemdRun:
		return false
	default:
		return true
	}
}

func (x *candidate) executeDirectly() string {
	path := x.start.Program.Last().Path
	if path == "" || scenario.ExecutesOthers(path) {
		return "" // what it executes is not known
	}
	first := x.start.Program.Chain[x.inits()].Path
	switch x.start.Syntax {
	case scenario.DockerRun, scenario.PodmanRun:
		return fmt.Sprintf("--entrypoint=%s, so that %s does not start it", shellWord(path), first)
	case scenario.Compose:
		return x.at(fmt.Sprintf("entrypoint: [%q]", path))
	case scenario.Kubernetes:
		return x.at(fmt.Sprintf("command: [%q], so that it is not a child of %s", path, first))
	case scenario.Unit, scenario.SystemdRun:
		return "ExecStart=" + path + " itself, without " + first
	case scenario.OCI:
		return fmt.Sprintf("process.args: start with %q", path)
	default:
		return fmt.Sprintf("start %s itself, not through %s", path, first)
	}
}

// added returns the capabilities that are to be added.
func (x *candidate) added() capset.Set {
	if x.missing == 0 {
		return netBindService
	}
	return x.missing
}

// names returns the capabilities that are to be added, as cap_add and the like
// want them.
func (x *candidate) names(prefix string) []string {
	var out []string
	for c := range x.added().Caps() {
		out = append(out, prefix+strings.ToUpper(strings.TrimPrefix(c.String(), "cap_")))
	}
	return out
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
