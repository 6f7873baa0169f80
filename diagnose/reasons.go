package diagnose

import (
	"fmt"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// execReason words why an execve(2) fails.
func execReason(s *scenario.Start, step *scenario.Step, before *law.Task, c Cause) string {
	path := step.Path
	if path == "" {
		path = "the program"
	}
	if c == MalformedFile {
		return fmt.Sprintf("the attribute security.capability of %s cannot be read", path)
	}
	caps := step.File.Caps
	missing := caps.Permitted &^ (before.Bounding | before.Inheritable&caps.Inheritable)
	return fmt.Sprintf("%s carries %s, whose e bit makes the kernel refuse to start it unless all of it can be had, and %s not in the bounding set",
		path, caps.State(), list(missing))
}

// list names the capabilities with their verb.
func list(caps capset.Set) string {
	var names []string
	for c := range caps.Caps() {
		names = append(names, capName(c))
	}
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

// needs words what a low port asks for.
func (j *Judgement) needs(s *scenario.Start, port int) string {
	return fmt.Sprintf("port %d needs %s here (net.ipv4.ip_unprivileged_port_start is %s)", port, capName(capset.NetBindService), j.portStart(s))
}

// portStart tells a sysctl that was read from one that is taken for granted.
func (j *Judgement) portStart(s *scenario.Start) string {
	if j.noPortStart {
		return "1024 for good before Linux 4.11"
	}
	text := fmt.Sprint(j.Network.PortStart)
	if s.Settings.PortStart == scenario.Unset {
		return text + " by default"
	}
	return text
}

// bindReason words which condition failed.
func (j *Judgement) bindReason(s *scenario.Start, c Cause, port int) string {
	name := capName(capset.NetBindService)
	file := "the program's file"
	if p := s.Program.Last().Path; p != "" {
		file = p
	}
	needs := j.needs(s, port)
	switch c {
	case NotInBoundingSet:
		return fmt.Sprintf("%s, and %s is not in the bounding set", needs, name)
	case NoFileCapability:
		return fmt.Sprintf("%s: it is in the bounding set, but %s carries no file capability that permits it", needs, file)
	case AmbientCleared:
		return fmt.Sprintf("%s: it was ambient, but the capabilities or set-id bits of %s clear the ambient set", needs, file)
	case NotRaised:
		return fmt.Sprintf("%s effective: it is permitted, but %s does not raise it", needs, file)
	case LostToNoNewPrivs:
		how := "the caller did not have it"
		if w := wrapperOf(s); w != "" {
			how = w + " started it without"
		}
		return fmt.Sprintf("%s: it was lost to no_new_privs (%s)", needs, how)
	case LostToTracer:
		return fmt.Sprintf("%s: it was lost because the program is traced, or shares its working directory with another process", needs)
	case NosuidMount:
		return fmt.Sprintf("%s: the file capability does not count because %s is on a nosuid mount", needs, file)
	case FileCapsDisabled:
		return fmt.Sprintf("%s: the file capability does not count because the kernel was booted with no_file_caps", needs)
	case ForeignFileCapability:
		return fmt.Sprintf("%s: the file capability of %s counts in another user namespace only", needs, file)
	case GivenUp:
		return fmt.Sprintf("%s: this process gave it up, or the file got it after the process started", needs)
	default: // ForeignNetwork
		return fmt.Sprintf("%s, and the network namespace belongs to another user namespace, where the program's capabilities do not count", needs)
	}
}

// wrapperOf names the program that executes the one that listens; "" if it is
// the runtime itself.
func wrapperOf(s *scenario.Start) string {
	if n := len(s.Program.Chain); n > 1 {
		path := s.Program.Chain[n-2].Path
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}
