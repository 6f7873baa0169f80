package diagnose

import (
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// candidate is a start that does not work, with what is to be changed in it.
type candidate struct {
	start *scenario.Start
	found *Judgement
	// missing is the capabilities that it lacks in the bounding set.
	missing capset.Set
	// port is the lowest that it may not bind; 0 for none.
	port int
}

func newCandidate(s *scenario.Start, j *Judgement) *candidate {
	x := &candidate{start: s, found: j}
	bounding := s.Settings.Task().Bounding
	if file := s.Program.Last().File; file.Caps.Effective { // and so does not start without all of it
		x.missing = file.Caps.Permitted &^ bounding
	}
	for _, l := range j.Listens { // without the capability, each that needs it fails
		if x.needsCapability(l.Port) && (x.port == 0 || l.Port < x.port) {
			x.port = l.Port
		}
	}
	if x.port != 0 {
		x.missing |= netBindService &^ bounding
	}
	return x
}

// needsCapability asks the law whether a port is one that not everybody may bind.
func (x *candidate) needsCapability(port int) bool {
	return law.Bind(law.Task{}, x.found.Network, port).Needs
}

// applies reports whether there is something in the start for the change to change.
func (x *candidate) applies(c Change) bool {
	set := &x.start.Settings
	switch c {
	case ChangePort, Ambient:
		return x.port != 0
	case Sysctl, HostSysctl:
		return x.port != 0 && (set.Network == scenario.NetworkHost) == (c == HostSysctl)
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile:
		return x.appliesToFile(c)
	case AllowCalls, AllowFamilies, AllowExec:
		return x.sandboxChanges(c)
	case Direct:
		return len(x.start.Program.Chain) > 1
	case AddCapability:
		return x.toAdd(set) != 0
	case Restart:
		return x.start.Running != nil
	case RunAsUser:
		return x.refusedFor(scenario.CauseRunAsNonRoot)
	case OwnNetwork:
		return x.refusedFor(scenario.CauseSysctlHostNetwork) || set.UserNamespace && set.Network == scenario.NetworkHost
	case HostUsers:
		return x.found.Network.Owner == law.OwnerForeign
	case AllowNewPrivs:
		return set.NoNewPrivs && !set.NoNewPrivsImplied
	default: // RunAsRoot
		return set.UID != 0 && x.start.Refused == nil
	}
}

// refusedFor reports whether the runtime refuses the start for the cause.
func (x *candidate) refusedFor(c Cause) bool {
	return x.start.Refused != nil && x.start.Refused.Cause == c
}

func (x *candidate) appliesToFile(c Change) bool {
	file := &x.start.Program.Last().File
	aware := x.start.Program.Awareness == scenario.Aware
	switch c {
	case FilePermitted:
		return file.Caps.Effective && x.found.Exec.Cause == DumbFile
	case FileStrip:
		return (file.HasCaps() || file.Malformed) && (x.found.Exec.Cause != "" || x.failsFor(AmbientCleared))
	case MoveFile:
		return file.Nosuid
	default: // permitted for a program that raises it, with the effective bit for one that does not
		has := file.Caps.Permitted.Has(capset.NetBindService) && !file.Foreign && (aware || file.Caps.Effective)
		return x.port != 0 && aware == (c == FileGrant) && !has
	}
}

// failsFor reports whether a bind fails for the cause.
func (x *candidate) failsFor(c Cause) bool {
	return slices.ContainsFunc(x.found.Binds, func(a Answer) bool { return a.Cause == c })
}

// apply makes the change in s.
func (x *candidate) apply(c Change, s *scenario.Start) {
	switch c {
	case ChangePort:
		x.changePorts(s)
	case Sysctl, HostSysctl:
		s.Settings.PortStart = x.port
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile, Direct:
		changeFile(c, s)
	case AllowCalls, AllowFamilies, AllowExec:
		x.changeSandbox(c, s)
	case AddCapability:
		x.addCapability(&s.Settings)
	case Ambient:
		makeAmbient(&s.Settings)
	case Restart: // which every change is that is not of ports alone
	default:
		x.changeSettings(c, s)
	}
}

func (x *candidate) changePorts(s *scenario.Start) {
	start := x.found.Network.PortStart
	for i := range s.Listens {
		l := &s.Listens[i]
		switch {
		case l.Last > 0:
			*l = highRange(*l, start)
		case x.needsCapability(l.Port):
			l.Address, l.Port = highAddress(l.Address, l.Port, start)
		}
	}
}

func changeFile(c Change, s *scenario.Start) {
	last := s.Program.Last()
	file := &last.File
	switch c {
	case FilePermitted:
		file.Caps.Effective = false
	case FileStrip:
		file.Caps, file.Malformed = filecap.Caps{}, false
	case FileGrant, FileGrantEffective:
		file.Caps = filecap.Caps{
			Permitted: file.Caps.Permitted | netBindService, Inheritable: file.Caps.Inheritable,
			Effective: c == FileGrantEffective, Revision: filecap.V2,
		}
		file.Foreign, file.Malformed = false, false
	case MoveFile:
		file.Nosuid = false
	default: // Direct
		s.Program.Chain = []scenario.Step{{Path: last.Path, File: *file}}
	}
}

// toAdd is what is missing in the bounding set, and where Podman makes more of a
// capability by its name, that.
func (x *candidate) toAdd(set *scenario.Settings) capset.Set {
	if x.missing == 0 && set.Runtime.Behaviour().AddedAmbient && set.UID != 0 && x.port != 0 {
		return netBindService &^ set.Added
	}
	return x.missing
}

// addCapability adds what is missing to the bounding set, as the runtime does
// it, that is with what else it does with an added capability.
func (x *candidate) addCapability(set *scenario.Settings) {
	caps := x.toAdd(set)
	set.Granted, set.Added = set.Granted|caps, set.Added|caps
	g := set.Given
	if g == nil {
		return
	}
	g.Bounding |= caps
	switch b := set.Runtime.Behaviour(); {
	case set.UID == 0 || b.KeepsPermitted:
		g.Permitted, g.Effective = g.Permitted|caps, g.Effective|caps
	case b.AddedAmbient:
		g.Permitted, g.Inheritable, g.Ambient = g.Permitted|caps, g.Inheritable|caps, g.Ambient|caps
	}
}

func makeAmbient(set *scenario.Settings) {
	// Inheritable is what is in the bounding set, or was so before; without
	// that, systemd does not start the unit.
	set.Ambient |= netBindService & set.Granted
	if g := set.Given; g != nil {
		caps := netBindService & g.Bounding
		g.Permitted, g.Inheritable, g.Ambient = g.Permitted|caps, g.Inheritable|caps, g.Ambient|caps
	}
}

// changeSettings makes the changes that only set a field.
func (x *candidate) changeSettings(c Change, s *scenario.Start) {
	set := &s.Settings
	switch c {
	case RunAsUser:
		set.UID, set.GID, s.Refused = ordinaryUser, ordinaryUser, nil
	case OwnNetwork:
		set.Network = scenario.NetworkPrivate
		if x.refusedFor(scenario.CauseSysctlHostNetwork) { // which then may be set
			s.Refused = nil
		} else {
			set.PortStart = scenario.Unset
		}
	case HostUsers:
		set.UserNamespace = false
	case AllowNewPrivs:
		set.NoNewPrivs = set.NoNewPrivsImplied
	default: // RunAsRoot
		if g := set.Given; g != nil && set.UID != 0 {
			g.Permitted, g.Effective = g.Permitted|g.Bounding, g.Effective|g.Bounding
		}
		set.UID = 0
	}
}

// ordinaryUser is a user id that means nothing in particular; many images use it
// for "nonroot".
const ordinaryUser = 65532
