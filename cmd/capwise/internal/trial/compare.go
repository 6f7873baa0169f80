package trial

import (
	"errors"
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Comparison is where law and kernel part over one start.
type Comparison struct {
	// Kernel is what the kernel did.
	Kernel Result
	// Differences holds one line for each; none if they agree.
	Differences []string
	// Notes says in what the tried start is not the one that was asked about.
	Notes []string
}

// Compare tries a start and compares the outcome with what the law says about
// it. The error says why the start cannot be tried here.
func Compare(k law.Kernel, s *scenario.Start) (Comparison, error) {
	var c Comparison
	tried, err := c.fit(s)
	if err != nil {
		return c, err
	}
	spec, err := specOf(tried)
	if err != nil {
		return c, err
	}
	if c.Kernel, err = Run(spec); err != nil {
		return c, err
	}
	j := diagnose.Judge(k, tried)
	c.compare(&j, c.Kernel, spec)
	return c, nil
}

// fit returns the start as it can be tried here.
func (c *Comparison) fit(s *scenario.Start) (*scenario.Start, error) {
	if s.Refused != nil || s.Running != nil {
		return nil, errors.New("there is no start to try: " + whyNot(s))
	}
	available, err := Available()
	if err != nil {
		return nil, err
	}
	tried := *s
	task := s.Settings.Task()
	if missing := (task.Bounding | task.Permitted | task.Inheritable) &^ available; missing&capset.All != 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("tried without %s, which the caller does not have", missing&capset.All))
	}
	limit(&task.Sets, available)
	if Unprivileged() && task.UID.Real != 0 {
		task = Ordinary(task)
		c.Notes = append(c.Notes, "tried as root of a user namespace with the securebit noroot, in the place of the user; as root it is tried as it is")
	}
	set := &tried.Settings
	set.Given, set.UID, set.GID, set.Securebits = &task.Sets, task.UID.Real, task.GID.Real, task.Securebits
	set.PortStart = s.Settings.NetworkNamespace().PortStart
	return &tried, nil
}

func whyNot(s *scenario.Start) string {
	if s.Running != nil {
		return "the program runs already"
	}
	return s.Refused.Reason
}

func limit(s *cred.Sets, available capset.Set) {
	for _, set := range []*capset.Set{&s.Bounding, &s.Permitted, &s.Effective, &s.Inheritable, &s.Ambient} {
		*set &= available
	}
}

// foreignRoot is a root id that is no namespace's root here.
const foreignRoot = 4_000_000_000

func specOf(s *scenario.Start) (Spec, error) {
	n := s.Settings.NetworkNamespace()
	spec := Spec{
		Task: s.Settings.Task(), Nosuid: s.Settings.Nosuid, PortStart: n.PortStart,
		ForeignNetwork: n.Owner == law.OwnerForeign, Aware: s.Program.Awareness == scenario.Aware,
	}
	for _, step := range s.Program.Chain {
		var f File
		if step.Switch != nil {
			f.UID = step.Switch.UID
		}
		caps := step.File.Caps
		switch {
		case step.File.Malformed:
			return spec, errors.New("no system call can write an attribute like that of " + step.Path)
		case step.File.SetUID || step.File.SetGID:
			return spec, errors.New(step.Path + " has a set-id bit, and a file of another user cannot be made for a trial")
		case step.File.Foreign:
			caps.Revision, caps.RootID = 3, foreignRoot
		}
		if step.File.HasCaps() {
			raw, err := caps.MarshalBinary()
			if err != nil {
				return spec, err
			}
			f.Caps = raw
		}
		spec.Nosuid = spec.Nosuid || step.File.Nosuid || s.Settings.Sandbox.MountedNosuid(step.Path)
		spec.Chain = append(spec.Chain, f)
	}
	for _, l := range s.Parts(n.PortStart) {
		spec.Listens = append(spec.Listens, Listen{l.Network, fmt.Sprintf(":%d", l.Port)})
	}
	return spec, nil
}

// compare notes where the two differ.
func (c *Comparison) compare(j *diagnose.Judgement, r Result, spec Spec) {
	differ := func(what string, law, kernel any) {
		if law != kernel {
			c.Differences = append(c.Differences, fmt.Sprintf("%s: the law says %v, the kernel %v", what, law, kernel))
		}
	}
	differ("errno of execve", named(j.Exec.Errno.String()), named(r.Errno))
	if r.Errno != "" || !j.Exec.OK() {
		return
	}
	t := j.Task
	differ("permitted", t.Permitted, r.Sets.Permitted)
	differ("effective", t.Effective, r.Sets.Effective)
	differ("inheritable", t.Inheritable, r.Sets.Inheritable)
	differ("ambient", t.Ambient, r.Sets.Ambient)
	differ("bounding", t.Bounding, r.Sets.Bounding)
	for i, b := range j.Binds {
		l := spec.Listens[i]
		differ("errno of bind "+l.Network+" "+l.Address, named(b.Errno.String()), named(r.Binds[i]))
	}
}

func named(errno string) string {
	if errno == "" {
		return "none"
	}
	return errno
}
