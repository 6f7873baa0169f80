package diagnose

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Causes of what a sandbox refuses, whatever the capabilities are.
const (
	// CallFiltered says that a seccomp filter refuses a system call that the start or
	// the bind needs: execve(2), socket(2), bind(2), a change of ids, or the capset(2)
	// of a program that raises its capability.
	CallFiltered Cause = "system-call-filter"
	// FamilyRefused says that socket(2) refuses the address's family.
	FamilyRefused Cause = "address-family"
	// HiddenPath says that the sandbox mounts something else over the program's folder.
	HiddenPath Cause = "hidden-path"
	// NoExecPath says that the program lies where the sandbox has nothing executed.
	NoExecPath Cause = "no-exec-path"
	// PortRefused says that a BPF program of the unit's cgroup refuses the port.
	PortRefused Cause = "port-refused"
)

// filtered is the answer for a system call that a filter refuses; ok is false where
// the filter lets it pass.
func filtered(s *scenario.Start, call, why string) (a Answer, refused bool) {
	answer, refused := s.Settings.Sandbox.Calls[call]
	if !refused {
		return a, false
	}
	how := "makes it fail with " + string(answer)
	errno := law.OtherErrno
	switch answer {
	case "EPERM":
		errno = law.EPERM
	case scenario.Killed:
		errno, how = law.SIGSYS, "ends the program with SIGSYS"
	case "EACCES":
		errno = law.EACCES
	case "EINVAL":
		errno = law.EINVAL
	case "EAFNOSUPPORT":
		errno = law.EAFNOSUPPORT
	}
	return Answer{Errno: errno, Cause: CallFiltered, Reason: fmt.Sprintf("%s needs %s(2), and the system call filter %s", why, call, how)}, true
}

// changesOfIDs are the system calls by which a program becomes another user.
var changesOfIDs = []string{"setuid", "setgid", "setgroups"}

// sandboxedExec says whether the sandbox refuses an execve(2) of the chain, or the
// change of ids before it.
func sandboxedExec(s *scenario.Start, i int) (a Answer, refused bool) {
	step := &s.Program.Chain[i]
	box := &s.Settings.Sandbox
	if box.Missing != "" {
		return Answer{Errno: law.OtherErrno, Cause: HiddenPath, Reason: box.Missing}, true
	}
	if step.Switch != nil {
		for _, call := range changesOfIDs {
			if a, refused = filtered(s, call, "the change of user"); refused {
				return a, true
			}
		}
	}
	if h := box.Hides(step.Path); path.IsAbs(step.Path) && h != nil {
		return Answer{Errno: law.OtherErrno, Cause: HiddenPath, Reason: fmt.Sprintf("%s hides %s, where %s is", h.By, h.Folder, step.Path)}, true
	}
	if path.IsAbs(step.Path) && !box.Executable(step.Path) {
		return Answer{Errno: law.EACCES, Cause: NoExecPath, Reason: fmt.Sprintf("%s is where the sandbox has nothing executed", step.Path)}, true
	}
	return filtered(s, "execve", "the start of "+step.Path)
}

// listenCalls are the system calls by which a program comes to listen, in their order;
// listen(2) is for TCP.
var listenCalls = []string{"socket", "bind", "listen"}

// sandboxedBind is the answer for a bind inside of the sandbox; a is what it would be
// without.
func (j *Judgement) sandboxedBind(s *scenario.Start, l scenario.Listen, a Answer) Answer {
	refuse := func(by Answer) Answer {
		by.Needs, by.Rules = Fail, a.Rules
		return by
	}
	if by, refused := filtered(s, "socket", "a listener"); refused {
		return refuse(by)
	}
	if v4, v6 := l.Families(); (!v4 || s.Settings.Sandbox.NoIPv4) && (!v6 || s.Settings.Sandbox.NoIPv6) {
		families := strings.Join(familiesOf(l), " and ")
		return refuse(Answer{Errno: law.EAFNOSUPPORT, Cause: FamilyRefused, Reason: fmt.Sprintf("socket(2) is refused for the address families of %s (%s)", l, families)})
	}
	if by, refused := filtered(s, "bind", "a listener"); refused {
		return refuse(by)
	}
	if by, refused := filtered(s, "capset", "raising "+capName(capset.NetBindService)); refused && j.raises(s, a) {
		switch {
		case by.Errno == law.SIGSYS:
			return refuse(by)
		case a.OK(): // the program goes on, and is refused the bind
			by.Errno = law.EACCES
			return refuse(by)
		}
	}
	if a.OK() && s.Settings.Sandbox.PortRefused(l) {
		return refuse(Answer{Errno: law.EPERM, Cause: PortRefused, Reason: fmt.Sprintf("the unit's rules for sockets refuse %s", l)})
	}
	if by, refused := filtered(s, "listen", "a listener"); refused && a.OK() && strings.HasPrefix(l.Network, "tcp") {
		return refuse(by)
	}
	return a
}

// raises reports whether the program raises the capability for a bind, be it in vain:
// it cannot know before.
func (j *Judgement) raises(s *scenario.Start, a Answer) bool {
	const c = capset.NetBindService
	needs := a.Needs == Raise || a.Needs == Fail && a.Errno == law.EACCES
	return needs && s.Program.Awareness == scenario.Aware && j.Task.Permitted.Has(c) && !j.Task.Effective.Has(c)
}

// familiesOf names the families that an address may be of.
func familiesOf(l scenario.Listen) []string {
	var out []string
	v4, v6 := l.Families()
	if v4 {
		out = append(out, "AF_INET")
	}
	if v6 {
		out = append(out, "AF_INET6")
	}
	return out
}

// sandboxChanges reports whether there is something in the sandbox for the change to
// change.
func (x *candidate) sandboxChanges(c Change) bool {
	box := &x.start.Settings.Sandbox
	switch c {
	case AllowCalls:
		return len(x.callsToAllow()) > 0
	case AllowFamilies:
		return x.failsFor(FamilyRefused)
	default: // AllowExec
		return len(box.NoExec) > 0 && x.found.Exec.Cause == NoExecPath
	}
}

// callsToAllow is the system calls that stand in the way, in the order in which they
// are made.
func (x *candidate) callsToAllow() []string {
	box := &x.start.Settings.Sandbox
	needed := []string{"execve"}
	if slices.ContainsFunc(x.start.Program.Chain, func(s scenario.Step) bool { return s.Switch != nil }) {
		needed = append(needed, changesOfIDs...)
	}
	if len(x.start.Listens) > 0 {
		needed = append(needed, listenCalls...)
		if x.port != 0 && x.start.Program.Awareness == scenario.Aware {
			needed = append(needed, "capset")
		}
	}
	return slices.DeleteFunc(needed, func(call string) bool { return box.Calls[call] == "" })
}

// FilterNames writes system calls as SystemCallFilter= names them. Where a filter refuses
// all that make a listener, it refuses what goes with them, too, such as setsockopt(2) and
// accept4(2): they are then named by their group.
func FilterNames(calls []string) string {
	if !containsAll(calls, listenCalls) {
		return strings.Join(calls, " ")
	}
	others := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return slices.Contains(listenCalls, call) })
	return strings.Join(append(others, "@network-io"), " ")
}

// changeSandbox makes a change of the sandbox.
func (x *candidate) changeSandbox(c Change, s *scenario.Start) {
	box := &s.Settings.Sandbox
	switch c {
	case AllowCalls:
		allowed := map[string]scenario.Filtered{}
		calls := x.callsToAllow()
		for call, answer := range box.Calls {
			if !slices.Contains(calls, call) {
				allowed[call] = answer
			}
		}
		box.Calls = allowed
	case AllowFamilies:
		box.NoIPv4, box.NoIPv6 = false, false
	default: // AllowExec
		box.NoExec, box.Exec = nil, nil
	}
}

// sandboxDirective words a change of the sandbox as a line of a unit.
func (x *candidate) sandboxDirective(c Change) string {
	switch c {
	case AllowCalls: // which adds to a list of what is allowed, and takes off one of what is denied
		return "SystemCallFilter=" + FilterNames(x.callsToAllow())
	case AllowFamilies:
		return "RestrictAddressFamilies=AF_INET AF_INET6"
	default: // AllowExec
		return "NoExecPaths="
	}
}
