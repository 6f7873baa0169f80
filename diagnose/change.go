package diagnose

import (
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Change is one change of a start, by its stable identifier. The constants stand
// in the order of the privilege they give, least first.
type Change uint8

// The changes.
const (
	// ChangePort lets the program listen on a port that needs no capability.
	ChangePort Change = iota
	// RunAsUser runs the program as an ordinary user.
	RunAsUser
	// FilePermitted takes the effective bit off the file.
	FilePermitted
	// FileStrip takes all capabilities off the file.
	FileStrip
	// Sysctl opens the port to everybody in the program's network namespace.
	Sysctl
	// Direct executes the program without a shell or an init before it.
	Direct
	// FileGrant permits the capability to the file.
	FileGrant
	// FileGrantEffective gives the file the capability with the effective bit.
	FileGrantEffective
	// MoveFile moves the file to a mount without nosuid.
	MoveFile
	// Restart starts a running program again.
	Restart
	// AddCapability puts the capability in the bounding set.
	AddCapability
	// Ambient makes the capability ambient.
	Ambient
	// OwnNetwork gives the program a network namespace of its own.
	OwnNetwork
	// HostUsers runs the program in the host's user namespace.
	HostUsers
	// AllowNewPrivs leaves out no_new_privs.
	AllowNewPrivs
	// HostSysctl opens the port to everybody on the host.
	HostSysctl
	// RunAsRoot runs the program as root.
	RunAsRoot
	numChanges
)

// changeTexts holds the identifier of each change, and what it gives away.
var changeTexts = [numChanges]struct{ id, privilege string }{
	ChangePort:         {"change-port", "nothing"},
	RunAsUser:          {"run-as-user", "nothing"},
	FilePermitted:      {"file-permitted", "nothing"},
	FileStrip:          {"file-strip", "nothing"},
	Sysctl:             {"sysctl", "low ports for every program in the network namespace"},
	Direct:             {"direct", "nothing"},
	FileGrant:          {"file-grant", "the capability for whoever may execute the file"},
	FileGrantEffective: {"file-grant-effective", "the capability for whoever may execute the file, which then starts only where it is granted"},
	MoveFile:           {"move-file", "the capability for whoever may execute the file"},
	Restart:            {"restart", "nothing"},
	AddCapability:      {"add-capability", "one capability"},
	Ambient:            {"ambient", "one capability, for child processes too"},
	OwnNetwork:         {"own-network", "nothing on the host"},
	HostUsers:          {"host-users", "the host's user namespace"},
	AllowNewPrivs:      {"allow-new-privs", "privilege gains at execve (set-user-ID files)"},
	HostSysctl:         {"host-sysctl", "low ports for every program on the host"},
	RunAsRoot:          {"run-as-root", "root"},
}

// String returns the stable identifier, such as "add-capability".
func (c Change) String() string { return changeTexts[c].id }

// Privilege says what the change gives, and to whom.
func (c Change) Privilege() string { return changeTexts[c].privilege }

// patient is a start under treatment, with what was found.
type patient struct {
	start *scenario.Start
	found *Judgement
	// missing is the capabilities that it lacks in the bounding set.
	missing capset.Set
	// port is the lowest that it may not bind; 0 for none.
	port int
}

func newPatient(s *scenario.Start, j *Judgement) *patient {
	p := &patient{start: s, found: j}
	bounding := s.Settings.Task().Bounding
	if file := s.Program.Last().File; file.Caps.Effective { // and so does not start without all of it
		p.missing = file.Caps.Permitted &^ bounding
	}
	for i, b := range j.Binds {
		if !b.OK() {
			p.failing(j.Listens[i].Port)
		}
	}
	if !j.Exec.OK() { // and so no bind was asked for
		for _, l := range s.Parts() {
			if needsCapability(s, l.Port) {
				p.failing(l.Port)
			}
		}
	}
	if p.port != 0 {
		p.missing |= netBindService &^ bounding
	}
	return p
}

// needsCapability asks the law whether a port is one that not everybody may bind.
func needsCapability(s *scenario.Start, port int) bool {
	return law.Bind(law.Task{}, s.Settings.NetworkNamespace(), port).Needs
}

func (p *patient) failing(port int) {
	if p.port == 0 || port < p.port {
		p.port = port
	}
}

// clone returns a copy that can be changed without changing s.
func clone(s *scenario.Start) *scenario.Start {
	c := *s
	c.Program.Chain = slices.Clone(s.Program.Chain)
	c.Listens = slices.Clone(s.Listens)
	if s.Settings.Given != nil {
		given := *s.Settings.Given
		c.Settings.Given = &given
	}
	return &c
}

// apply makes the change in s, and reports whether it is one: whether there is
// something to change.
func (p *patient) apply(c Change, s *scenario.Start) bool {
	switch c {
	case ChangePort:
		return p.changePorts(s)
	case Sysctl, HostSysctl:
		return p.openPort(c, s)
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile, Direct:
		return p.changeFile(c, s)
	case AddCapability:
		return p.addCapability(s)
	case Ambient:
		return p.makeAmbient(s)
	case Restart:
		applies := p.start.Running != nil
		s.Running = nil
		return applies
	default:
		return changeSettings(c, s)
	}
}

func (p *patient) changePorts(s *scenario.Start) bool {
	start := s.Settings.NetworkNamespace().PortStart
	for i := range s.Listens {
		l := &s.Listens[i]
		switch {
		case l.Last > 0:
			*l = highRange(*l, start)
		case needsCapability(s, l.Port):
			l.Address, l.Port = highAddress(l.Address, l.Port, start)
		}
	}
	return p.port != 0
}

func (p *patient) openPort(c Change, s *scenario.Start) bool {
	s.Settings.PortStart = p.port
	s.Running = nil // the same program, asked again
	return p.port != 0 && (s.Settings.Network == scenario.NetworkHost) == (c == HostSysctl)
}

func (p *patient) changeFile(c Change, s *scenario.Start) bool {
	last := s.Program.Last()
	caps := &last.File.Caps
	s.Running = nil
	switch c {
	case FilePermitted:
		applies := caps.Effective && p.found.Exec.Cause == DumbFile
		caps.Effective = false
		return applies
	case FileStrip:
		applies := last.File.HasCaps() || last.File.Malformed
		last.File.Caps, last.File.Malformed = filecap.Caps{}, false
		return applies && (p.found.Exec.Cause != "" || p.cause(AmbientCleared))
	case FileGrant, FileGrantEffective:
		return p.grant(c, s)
	case MoveFile:
		applies := last.File.Nosuid
		last.File.Nosuid = false
		return applies
	default: // Direct
		applies := len(s.Program.Chain) > 1
		s.Program.Chain = []scenario.Step{{Path: last.Path, File: last.File}}
		return applies
	}
}

// grant gives the file the capability: permitted for a program that raises it,
// with the effective bit for one that does not.
func (p *patient) grant(c Change, s *scenario.Start) bool {
	last := s.Program.Last()
	aware := s.Program.Awareness == scenario.Aware
	if p.port == 0 || aware == (c == FileGrantEffective) {
		return false
	}
	has := last.File.Caps.Permitted.Has(capset.NetBindService) && !last.File.Foreign && (aware || last.File.Caps.Effective)
	last.File.Caps = filecap.Caps{
		Permitted: last.File.Caps.Permitted | netBindService, Inheritable: last.File.Caps.Inheritable,
		Effective: !aware, Revision: filecap.V2,
	}
	last.File.Foreign, last.File.Malformed = false, false
	return !has
}

// cause reports whether a bind fails for the cause.
func (p *patient) cause(c Cause) bool {
	return slices.ContainsFunc(p.found.Binds, func(a Answer) bool { return a.Cause == c })
}

// addCapability adds what is missing to the bounding set, as the runtime does
// it, that is with what else it does with an added capability.
func (p *patient) addCapability(s *scenario.Start) bool {
	set := &s.Settings
	caps := p.missing
	b := set.Runtime.Behaviour()
	if caps == 0 && b.AddedAmbient && set.UID != 0 && p.port != 0 { // Podman makes more of it by its name
		caps = netBindService &^ set.Added
	}
	set.Granted, set.Added = set.Granted|caps, set.Added|caps
	if g := set.Given; g != nil {
		g.Bounding |= caps
		switch {
		case set.UID == 0 || b.KeepsPermitted:
			g.Permitted, g.Effective = g.Permitted|caps, g.Effective|caps
		case b.AddedAmbient:
			g.Permitted, g.Inheritable, g.Ambient = g.Permitted|caps, g.Inheritable|caps, g.Ambient|caps
		}
	}
	s.Running = nil
	return caps != 0
}

func (p *patient) makeAmbient(s *scenario.Start) bool {
	set := &s.Settings
	// Inheritable is what is in the bounding set, or was so before; without
	// that, systemd does not start the unit.
	set.Ambient |= netBindService & set.Granted
	if g := set.Given; g != nil {
		caps := netBindService & g.Bounding
		g.Permitted, g.Inheritable, g.Ambient = g.Permitted|caps, g.Inheritable|caps, g.Ambient|caps
	}
	s.Running = nil
	return p.port != 0
}

// changeSettings makes the changes that only set a field.
func changeSettings(c Change, s *scenario.Start) bool {
	set := &s.Settings
	before := *set
	refused := s.Refused
	s.Running = nil
	switch c {
	case RunAsUser:
		if refused == nil || Cause(refused.Cause) != RunAsNonRoot {
			return false
		}
		set.UID, set.GID, s.Refused = ordinaryUser, ordinaryUser, nil
		return true
	case OwnNetwork:
		set.Network = scenario.NetworkPrivate
		if refused != nil && Cause(refused.Cause) == SysctlHostNetwork {
			s.Refused = nil
			return true
		}
		set.PortStart = scenario.Unset
		return set.UserNamespace && before.Network == scenario.NetworkHost
	case HostUsers:
		set.UserNamespace = false
		return before.NetworkNamespace().Owner == law.OwnerForeign
	case AllowNewPrivs:
		set.NoNewPrivs = set.NoNewPrivsImplied
		return before.NoNewPrivs && !before.NoNewPrivsImplied
	default: // RunAsRoot
		set.UID = 0
		if g := set.Given; g != nil && before.UID != 0 {
			g.Permitted, g.Effective = g.Permitted|g.Bounding, g.Effective|g.Bounding
		}
		return before.UID != 0 && refused == nil
	}
}

// ordinaryUser is a user id that means nothing in particular; many images use it
// for "nonroot".
const ordinaryUser = 65532
