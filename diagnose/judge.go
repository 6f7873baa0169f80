package diagnose

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Judgement is what the law says about one program start.
type Judgement struct {
	Exec Answer
	// Network is the network namespace as the program sees it.
	Network law.Network
	// Listens is the start's addresses, with ranges of ports split where the kernel
	// answers differently.
	Listens []scenario.Listen
	// Binds is the answers for Listens, in the same order; none unless the program
	// starts.
	Binds []Answer
	// Outcomes is what each execve(2) came to. It is empty where the runtime
	// refuses to start the program.
	Outcomes []law.Outcome
	// Task is the credentials of the program that listens: as the law says, or
	// as they are where it runs already.
	Task law.Task

	noPortStart bool // of the kernel
}

// OK reports whether the program starts and may bind everything.
func (j *Judgement) OK() bool {
	ok := j.Exec.OK()
	for _, b := range j.Binds {
		ok = ok && b.OK()
	}
	return ok
}

// Answer is the answer for one system call.
type Answer struct {
	// Needs is what a bind needs; "" for an execve(2).
	Needs Needs
	Errno law.Errno
	// Cause and Reason are empty where the call succeeds.
	Cause  Cause
	Reason string // one clause
	Rules  law.Rules
}

// OK reports whether the call succeeds.
func (a Answer) OK() bool { return a.Cause == "" }

// Judge asks the law about a start.
func Judge(k law.Kernel, s *scenario.Start) Judgement {
	j := Judgement{Network: s.Settings.NetworkNamespace(), noPortStart: k.NoPortStart}
	if k.NoPortStart {
		j.Network.PortStart = law.DefaultPortStart
	}
	j.Listens = s.Parts(j.Network.PortStart)
	if refused := refusal(k, s); refused != nil {
		j.Exec = Answer{Cause: refused.Cause, Reason: refused.Reason}
		return j
	}
	j.run(k, s)
	if s.Running != nil {
		j.Task = *s.Running
	} else if j.Exec.Errno != law.OK {
		return j
	}
	j.Exec = Answer{Rules: j.Exec.Rules}
	for _, l := range j.Listens {
		j.Binds = append(j.Binds, j.sandboxedBind(s, l, j.bind(s, l.Port)))
	}
	return j
}

// run goes through the chain of execve(2).
func (j *Judgement) run(k law.Kernel, s *scenario.Start) {
	j.Task = s.Settings.Task()
	for i := range s.Program.Chain {
		step := &s.Program.Chain[i]
		if step.Switch != nil && !j.changeUser(step.Switch) {
			return
		}
		if a, refused := sandboxedExec(s, i); refused {
			j.Exec.Errno, j.Exec.Cause, j.Exec.Reason = a.Errno, a.Cause, a.Reason
			return
		}
		file := step.File
		file.Nosuid = file.Nosuid || s.Settings.Nosuid || s.Settings.Sandbox.MountedNosuid(step.Path)
		o := law.Exec(k, j.Task, file)
		j.Outcomes = append(j.Outcomes, o)
		j.Task, j.Exec.Errno, j.Exec.Rules = o.Task, o.Errno, o.Rules
		if o.Errno != law.OK {
			j.Exec.Cause = execCause(o)
			j.Exec.Reason = execReason(s, step, &j.Task, j.Exec.Cause)
			return
		}
	}
}

func execCause(o law.Outcome) Cause {
	if o.Errno == law.EINVAL {
		return MalformedFile
	}
	return DumbFile
}

const netBindService = 1 << capset.NetBindService

// bind asks for one port. A program that is aware raises what it is permitted.
func (j *Judgement) bind(s *scenario.Start, port int) Answer {
	b := law.Bind(j.Task, j.Network, port)
	a := Answer{Needs: Held, Rules: b.Rules}
	switch {
	case b.Errno == law.OK && !b.Needs:
		a.Needs = Free
	case b.Errno != law.OK:
		raised := law.Bind(j.Task.Raise(netBindService), j.Network, port)
		if raised.Errno == law.OK && s.Program.Awareness == scenario.Aware {
			return Answer{Needs: Raise, Rules: raised.Rules}
		}
		a.Needs, a.Errno = Fail, b.Errno
		a.Cause = j.bindCause(s, b)
		a.Reason = j.bindReason(s, a.Cause, port)
	}
	return a
}

// bindCause says why CAP_NET_BIND_SERVICE does not help, from the rules that
// had a say. What no file can give comes first, then what the file does not
// give, then what the kernel took from what the file gives.
func (j *Judgement) bindCause(s *scenario.Start, b law.Binding) Cause {
	const c = capset.NetBindService
	switch {
	case b.Rules.Has(law.PortForeignNetwork):
		return ForeignNetwork
	case j.Task.Permitted.Has(c):
		return NotRaised
	case !j.Task.Bounding.Has(c):
		return NotInBoundingSet
	}
	return j.lossCause(s)
}

// lossCause says what the last execve(2) had against the capability, which is in
// the bounding set.
func (j *Judgement) lossCause(s *scenario.Start) Cause {
	const c = capset.NetBindService
	rules, file := j.Outcomes[len(j.Outcomes)-1].Rules, s.Program.Last().File
	asRoot := rules.Has(law.RootPermitted)
	switch {
	case asRoot:
	case rules.Has(law.FileCapsForeign) && (file.Caps.Permitted == 0 || file.Caps.Permitted.Has(c)):
		return ForeignFileCapability
	case j.ambientLost(s):
		return AmbientCleared
	case !file.Caps.Permitted.Has(c):
		return NoFileCapability
	case rules.Has(law.FileCapsNosuid):
		return NosuidMount
	case rules.Has(law.FileCapsDisabled):
		return FileCapsDisabled
	}
	switch {
	case rules.Has(law.DowngradeNoNewPrivs):
		return LostToNoNewPrivs
	case rules.Has(law.DowngradeTraced), rules.Has(law.DowngradeSharedFS):
		return LostToTracer
	default:
		return GivenUp
	}
}

// ambientLost reports whether an execve(2) cleared an ambient set that held the
// capability.
func (j *Judgement) ambientLost(s *scenario.Start) bool {
	before := s.Settings.Task().Ambient
	for _, o := range j.Outcomes {
		cleared := o.Rules.Has(law.AmbientClearedByFile) || o.Rules.Has(law.AmbientClearedBySetID)
		if cleared && before.Has(capset.NetBindService) {
			return true
		}
		before = o.Task.Ambient
	}
	return false
}
