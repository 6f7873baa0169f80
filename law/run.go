package law

import "github.com/capwise/capwise/capset"

// Step is one thing that a task does on its way to the program that matters.
type Step interface {
	do(Kernel, Task) Outcome
}

// Execute is execve(2) of a file. Name is for the reader.
type Execute struct {
	Name string
	File File
}

func (s Execute) do(k Kernel, t Task) Outcome { return Exec(k, t, s.File) }

// ChangeUIDs is setresuid(2), as su, sudo, setpriv and servers call it.
type ChangeUIDs struct{ Real, Effective, Saved uint32 }

func (s ChangeUIDs) do(_ Kernel, t Task) Outcome {
	after, rules := t.SetUIDs(s.Real, s.Effective, s.Saved)
	return Outcome{Task: after, Rules: rules}
}

// MakeAmbient is what a launcher does before it executes its target.
type MakeAmbient struct{ Set capset.Set }

func (s MakeAmbient) do(_ Kernel, t Task) Outcome {
	return Outcome{Task: t.MakeAmbient(s.Set)}
}

// SetNoNewPrivs is PR_SET_NO_NEW_PRIVS.
type SetNoNewPrivs struct{}

func (SetNoNewPrivs) do(_ Kernel, t Task) Outcome {
	t.NoNewPrivs = true
	return Outcome{Task: t}
}

// Run takes task t through the steps and returns the outcome of each, up to
// and including the first that fails.
func Run(k Kernel, t Task, steps ...Step) []Outcome {
	outcomes := make([]Outcome, 0, len(steps))
	for _, s := range steps {
		o := s.do(k, t)
		outcomes = append(outcomes, o)
		if o.Errno != OK {
			break
		}
		t = o.Task
	}
	return outcomes
}
