package diagnose

import (
	"slices"
	"strings"

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
	// portStart is the first port that needs no capability.
	portStart int
	// user is whom it changes to, as root; nil if it does not.
	user *scenario.Switch
}

// newCandidate is the first of the variants, which does not work, with what the others
// need, too.
func newCandidate(all []variant) *candidate {
	x := &candidate{start: all[0].start, found: &all[0].judgement}
	for i := range all {
		if !all[i].judgement.OK() {
			x.add(&all[i])
		}
	}
	return x
}

// add adds what one variant needs.
func (x *candidate) add(v *variant) {
	s, j := v.start, &v.judgement
	bounding := s.Settings.Task().Bounding
	if file := s.Program.Last().File; file.Caps.Effective { // and so does not start without all of it
		x.missing |= file.Caps.Permitted &^ bounding
	}
	for i := range s.Program.Chain {
		if sw := s.Program.Chain[i].Switch; sw != nil {
			x.user = sw
			if j.Exec.Cause == CannotChangeUser {
				x.missing |= capset.Of(capset.Setuid, capset.Setgid) &^ bounding
			}
		}
	}
	x.portStart = max(x.portStart, j.Network.PortStart)
	for _, l := range j.Listens { // without the capability, each that needs it fails
		if needsCapability(j, l.Port) && (x.port == 0 || l.Port < x.port) {
			x.port = l.Port
		}
	}
	if x.port != 0 {
		x.missing |= netBindService &^ bounding
	}
}

// needsCapability asks the law whether a port is one that not everybody may bind.
func needsCapability(j *Judgement, port int) bool {
	return law.Bind(law.Task{}, j.Network, port).Needs
}

// applies reports whether there is something in the start for the change to change.
func (x *candidate) applies(c Change) bool {
	set := &x.start.Settings
	switch c {
	case ChangePort, Ambient:
		return x.port != 0
	case HostSysctl:
		return x.port != 0 && set.Network == scenario.NetworkHost || x.refusedFor(scenario.CauseRootlessPort)
	case Sysctl:
		return x.port != 0 && set.Network != scenario.NetworkHost
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile:
		return x.appliesToFile(c)
	case AllowCalls, AllowFamilies, AllowExec:
		return x.sandboxChanges(c)
	case Direct:
		return len(x.start.Program.Chain) > x.inits()+1
	case NoInit:
		return x.inits() > 0
	case NoSysctl:
		return x.refusedFor(scenario.CauseSysctlHostNetwork) || x.refusedFor(scenario.CauseSysctlRefused) || x.refusedFor(scenario.CauseUnsafeSysctl)
	case MeetPolicy:
		return x.start.Refused != nil && x.start.Refused.Apply != nil
	case PublishElsewhere:
		return x.refusedFor(scenario.CauseRootlessPort)
	case AddCapability:
		return x.toAdd(set) != 0
	case Restart:
		return x.start.Running != nil
	case RunAsUser:
		return x.refusedFor(scenario.CauseRunAsNonRoot) || x.refusedFor(scenario.CauseUnmappedUser) || x.refusedFor(scenario.CausePolicyRefused) || x.user != nil && x.user.UID != nil
	case OwnNetwork:
		return x.refusedFor(scenario.CauseSysctlHostNetwork) || set.UserNamespace && set.Network == scenario.NetworkHost
	case HostUsers:
		return (x.found.Network.Owner == law.OwnerForeign || x.refusedFor(scenario.CauseNoUserNamespace) || x.refusedFor(scenario.CauseUnmappedUser)) && !set.Rootless
	case AllowNewPrivs:
		return set.NoNewPrivs && !set.NoNewPrivsImplied
	default: // RunAsRoot
		return set.UID != 0 && x.start.Refused == nil
	}
}

// refusedFor reports whether the runtime refuses the start for the cause.
func (x *candidate) refusedFor(c Cause) bool { return x.found.Exec.Cause == c }

func (x *candidate) appliesToFile(c Change) bool {
	if !x.ownFile() {
		return false
	}
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

// inits is how many programs the runtime starts before those that the source names.
func (x *candidate) inits() int {
	if x.start.Request.Init {
		return 1
	}
	return 0
}

// ownFile reports whether the program has a file of its own, whose capabilities are the
// program's alone. A shell and other interpreters execute what they are given: a
// capability of theirs would be everybody's.
func (x *candidate) ownFile() bool {
	path := x.start.Program.Last().Path
	return namesFile(path) && !x.start.Program.RunsCode && !scenario.ExecutesOthers(path)
}

// namesFile reports whether a program's path says which file it is. A bare name is looked
// for where nobody could look.
func namesFile(path string) bool { return strings.HasPrefix(path, "/") }

// failsFor reports whether a bind fails for the cause.
func (x *candidate) failsFor(c Cause) bool {
	return slices.ContainsFunc(x.found.Binds, func(a Answer) bool { return a.Cause == c })
}

// apply makes the change in s.
func (x *candidate) apply(c Change, s *scenario.Start) {
	switch c {
	case ChangePort:
		x.changePorts(s)
	case Sysctl:
		s.Settings.PortStart, s.Settings.SetsPortStart = x.port, x.containerized()
	case HostSysctl:
		x.openHost(s)
	case FilePermitted, FileStrip, FileGrant, FileGrantEffective, MoveFile:
		changeFile(c, s)
	case Direct, NoInit:
		shorten(c, s)
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

// openHost opens ports on the host: those that it binds there, or publishes.
func (x *candidate) openHost(s *scenario.Start) {
	if s.Settings.Network == scenario.NetworkHost && x.port != 0 {
		s.Settings.PortStart = x.port
	}
	if p := x.lowestPublished(); p != 0 {
		s.Settings.HostPortStart = min(s.Settings.HostPortStart, p)
	}
}

// lowestPublished is the lowest port of the host that is published; 0 for none.
func (x *candidate) lowestPublished() (port int) {
	for _, l := range x.start.Published {
		if l.Port > 0 && (port == 0 || l.Port < port) {
			port = l.Port
		}
	}
	return port
}

func (x *candidate) changePorts(s *scenario.Start) {
	for i := range s.Listens {
		l := &s.Listens[i]
		switch {
		case l.Last > 0:
			*l = highRange(*l, x.portStart)
		case l.Port != 0 && l.Port < x.portStart:
			l.Address, l.Port = highAddress(l.Address, l.Port, x.portStart)
		}
	}
}

func changeFile(c Change, s *scenario.Start) {
	file := &s.Program.Last().File
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
	default: // MoveFile
		file.Nosuid = false
	}
}

// shorten takes programs out of the chain: the runtime's init, or what stands between
// the runtime and the program that listens.
func shorten(c Change, s *scenario.Start) {
	chain := s.Program.Chain
	if c == NoInit {
		s.Program.Chain, s.Request.Init = chain[1:], false
		return
	}
	last := *s.Program.Last()
	last.Switch = nil
	s.Program.Chain = nil
	if s.Request.Init {
		s.Program.Chain = chain[:1:1]
	}
	s.Program.Chain = append(s.Program.Chain, last)
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
		set.UID, set.GID = x.ordinary()
		set.Somebody = false
		if r := s.Refused; r != nil && (r.Cause == scenario.CauseRunAsNonRoot || r.Cause == scenario.CauseUnmappedUser) {
			s.Refused = nil
		}
	case NoSysctl:
		set.PortStart, set.SetsPortStart, s.Refused = scenario.Unset, false, nil
	case MeetPolicy:
		if refused := s.Refused; refused != nil && refused.Apply != nil {
			s.Refused = nil
			refused.Apply(s)
		}
	case PublishElsewhere:
		publishElsewhere(s)
	case OwnNetwork:
		set.Network = scenario.NetworkPrivate
		if x.refusedFor(scenario.CauseSysctlHostNetwork) { // which then may be set
			s.Refused = nil
		} else {
			set.PortStart = scenario.Unset
		}
	case HostUsers:
		set.UserNamespace = false
		if s.Refused != nil && (s.Refused.Cause == scenario.CauseNoUserNamespace || s.Refused.Cause == scenario.CauseUnmappedUser) {
			s.Refused = nil
		}
	case AllowNewPrivs:
		set.NoNewPrivs = set.NoNewPrivsImplied
	default: // RunAsRoot
		makeRoot(s)
	}
}

// makeRoot runs the program as root. The sets of a config.json are what it says, whoever
// the user is.
func makeRoot(s *scenario.Start) {
	set := &s.Settings
	if g := set.Given; g != nil && set.UID != 0 && s.Syntax != scenario.OCI {
		g.Permitted, g.Effective = g.Permitted|g.Bounding, g.Effective|g.Bounding
	}
	set.UID, set.Somebody = 0, false
	if s.Request.NonRoot && s.Refused == nil {
		s.Refused = &scenario.Refusal{Cause: scenario.CauseRunAsNonRoot, Reason: "runAsNonRoot is set, and runAsUser is 0"}
	}
}

// publishElsewhere publishes high ports of the host in the place of low ones.
func publishElsewhere(s *scenario.Start) {
	start := s.Settings.HostPortStart
	for i := range s.Published {
		if l := &s.Published[i]; l.Port > 0 && l.Port < start {
			l.Address, l.Port = highAddress(l.Address, l.Port, start)
		}
	}
}

// ordinary is the user that a program without root is to run as: the one that it
// changes to, or any.
func (x *candidate) ordinary() (uid, gid uint32) {
	switch {
	case x.user == nil || x.user.UID == nil:
		return ordinaryUser, ordinaryUser
	case x.user.GID == nil:
		return *x.user.UID, *x.user.UID
	default:
		return *x.user.UID, *x.user.GID
	}
}

// ordinaryUser is a user id that means nothing in particular; many images use it
// for "nonroot".
const ordinaryUser = 65532
