package diagnose

import (
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
)

// gains is what changed starts have more than the ones before. It is read off both, and
// not off the names of the changes: one and the same change can give much and nothing.
type gains struct {
	root                  bool
	bounding, ambient     capset.Set
	file, effective       bool // the capability, in the file
	newPrivs, hostUsers   bool
	lowPorts, lowHostPort bool
	calls, sockets, execs bool // that the sandbox refused
}

// add adds what a changed start and its program have more.
func (g *gains) add(before *variant, s *scenario.Start, after *Judgement) {
	was, is := &before.start.Settings, &s.Settings
	g.root = g.root || after.Task.UID.Effective == 0 && meantUID(before) != 0
	g.bounding |= is.Task().Bounding &^ was.Task().Bounding
	g.ambient |= is.Task().Ambient &^ was.Task().Ambient
	g.newPrivs = g.newPrivs || was.NoNewPrivs && !is.NoNewPrivs
	g.hostUsers = g.hostUsers || was.UserNamespace && !is.UserNamespace
	g.lowHostPort = g.lowHostPort || is.HostPortStart < was.HostPortStart
	if is.NetworkNamespace().PortStart < was.NetworkNamespace().PortStart && is.Network == was.Network {
		g.lowPorts = g.lowPorts || is.Network != scenario.NetworkHost
		g.lowHostPort = g.lowHostPort || is.Network == scenario.NetworkHost
	}
	had, has := &was.Sandbox, &is.Sandbox
	g.calls = g.calls || len(has.Calls) < len(had.Calls)
	g.sockets = g.sockets || had.NoIPv4 && !has.NoIPv4 || had.NoIPv6 && !has.NoIPv6
	g.execs = g.execs || len(has.NoExec) < len(had.NoExec)
	old, file := before.start.Program.Last().File, s.Program.Last().File
	counts := func(f bool, caps capset.Set) capset.Set {
		if f {
			return 0
		}
		return caps
	}
	carried := counts(old.Foreign || old.Nosuid || old.Malformed, old.Caps.Permitted)
	g.file = g.file || counts(file.Foreign || file.Nosuid, file.Caps.Permitted)&^carried != 0
	g.effective = g.effective || file.Caps.Effective && !old.Caps.Effective
}

// meantUID is whom the program was to run as, whether or not it came so far.
func meantUID(v *variant) uint32 {
	if v.start.Running != nil {
		return v.start.Running.UID.Effective
	}
	uid := v.start.Settings.UID
	for _, step := range v.start.Program.Chain {
		if step.Switch != nil && step.Switch.UID != nil {
			uid = *step.Switch.UID
		}
		if step.File.SetUID {
			uid = step.File.UID
		}
	}
	return uid
}

// String words the gains, the greatest first.
func (g *gains) String() string {
	var out []string
	add := func(when bool, what string) {
		if when {
			out = append(out, what)
		}
	}
	add(g.root, "root")
	add(g.hostUsers, "the host's user namespace")
	add(g.newPrivs, "privilege gains at execve (set-user-ID files)")
	add(g.lowHostPort, "low ports for every program on the host")
	add(g.lowPorts, "low ports for every program in the network namespace")
	add(g.calls, "system calls that the filter refused")
	add(g.sockets, "sockets of IPv4 and IPv6")
	add(g.execs, "the execution of every file")
	add(g.ambient != 0, capNames(g.ambient)+", for child processes too")
	add(g.bounding&^g.ambient != 0, capNames(g.bounding&^g.ambient))
	add(g.file && g.effective, "the capability for whoever may execute the file, which then starts only where it is granted")
	add(g.file && !g.effective, "the capability for whoever may execute the file")
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

func capNames(caps capset.Set) string {
	var names []string
	for c := range caps.Caps() {
		names = append(names, capName(c))
	}
	return strings.Join(names, ", ")
}
