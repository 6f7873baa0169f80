// Package report is what the commands explain and doctor say: judgements of program
// starts as JSON, which docs/schema/explain.schema.json describes, and as text.
package report

import (
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// schemaVersion is that of the JSON. It changes with a change that breaks a reader.
const schemaVersion = 1

// Report is the answer for one source.
type Report struct {
	SchemaVersion int     `json:"schemaVersion"`
	Starts        []Start `json:"starts"`
}

// Of returns the report of the answers for one source.
func Of(starts ...Start) *Report { return &Report{schemaVersion, append([]Start{}, starts...)} }

// The verdicts on a start.
const (
	works = "ok" // it starts, and may bind every address
	fails = "fail"
)

// Start is the answer for one program start.
type Start struct {
	Name string `json:"name"`
	// Source is the notation of the source, and File and Line the place in it.
	Source string `json:"source"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Verdict is ok or fail.
	Verdict string `json:"verdict"`
	// Assumed says that the program's file is not known, and the answer that for
	// a file without capabilities.
	Assumed bool `json:"assumed,omitempty"`

	Exec        Answer       `json:"exec"`
	Binds       []Bind       `json:"binds"`
	Credentials *Credentials `json:"credentials,omitempty"`
	SideEffects *SideEffects `json:"side_effects,omitempty"`
	Remedies    []Remedy     `json:"remedies"`
	// Withheld is the remedies that the policy forbids.
	Withheld []Remedy `json:"withheld,omitempty"`
	Trace    []Rule   `json:"trace"`
	Notes    []string `json:"notes,omitempty"`
	// Tried is what --try found.
	Tried *Tried `json:"tried,omitempty"`

	title  string // the program and what starts it, for the text
	starts string // "starts", or "runs"
}

// Answer is the answer for one system call.
type Answer struct {
	OK    bool   `json:"ok"`
	Errno string `json:"errno,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Reason is the cause in one clause, with names and numbers.
	Reason string `json:"reason,omitempty"`
}

// Bind is the answer for one address.
type Bind struct {
	Network string `json:"network"`
	Address string `json:"address"`
	// Ports is set for a range.
	Ports *Ports `json:"ports,omitempty"`
	Answer
	// Needs is what the bind needs: free, held, raise or fail.
	Needs string `json:"needs"`
	From  string `json:"from,omitempty"`

	what string // address and network, for the text
}

// Ports is a range of ports, for which the answer is the same.
type Ports struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

func portsOf(l scenario.Listen) *Ports {
	if l.Last == 0 {
		return nil
	}
	return &Ports{l.Port, l.Last}
}

// Credentials is those of the program that listens.
type Credentials struct {
	Executable  string     `json:"executable"`
	UID         uint32     `json:"uid"`
	GID         uint32     `json:"gid"`
	Permitted   capset.Set `json:"permitted"`
	Effective   capset.Set `json:"effective"`
	Inheritable capset.Set `json:"inheritable"`
	Bounding    capset.Set `json:"bounding"`
	Ambient     capset.Set `json:"ambient"`
	NoNewPrivs  bool       `json:"no_new_privs"`
	Securebits  string     `json:"securebits,omitempty"`
}

// SideEffects is what the last execve(2) does besides.
type SideEffects struct {
	ATSecure      bool  `json:"at_secure"`
	Dumpable      uint8 `json:"dumpable"`
	PdeathCleared bool  `json:"pdeath_signal_cleared"`
}

// Remedy is a change that makes the start work.
type Remedy struct {
	Change string `json:"change"`
	How    string `json:"how"`
	// Gives is what the change gives, and to whom.
	Gives string `json:"gives"`
	// Withheld is why the policy forbids it.
	Withheld string `json:"withheld,omitempty"`
}

// Rule is one rule of the kernel that applied.
type Rule struct {
	Rule   string `json:"rule"`
	Says   string `json:"says"`
	Source string `json:"source"`
	// At is the program or the address that it was about.
	At string `json:"at"`
}

// Tried is what became of a probe that was started in the program's place.
type Tried struct {
	// Agrees is whether the kernel did what the law says.
	Agrees      bool     `json:"agrees"`
	Differences []string `json:"differences,omitempty"`
	// Notes says in what the tried start was another one.
	Notes []string `json:"notes,omitempty"`
}

// New returns the answer for a start: what was judged of it, and what would make it
// work.
func New(s *scenario.Start, j *diagnose.Judgement, remedies []diagnose.Remedy) Start {
	out := Start{
		Name: s.Name, Source: string(s.Syntax), File: s.Where.File, Line: s.Where.Line, Verdict: fails,
		Exec: answer(j.Exec), Binds: []Bind{}, Remedies: []Remedy{}, Trace: trace(s, j), Notes: s.Notes,
		Assumed: s.Program.Unknown, title: describe(s), starts: "starts",
	}
	if j.OK() {
		out.Verdict = works
	}
	if s.Running != nil {
		out.starts = "runs"
	}
	for i, b := range j.Binds {
		l := j.Listens[i]
		out.Binds = append(out.Binds, Bind{l.Network, l.Address, portsOf(l), answer(b), string(b.Needs), l.From, l.String()})
	}
	if j.Exec.OK() {
		out.Credentials, out.SideEffects = credentials(s, j)
	}
	for _, r := range remedies {
		remedy := Remedy{r.Change(), r.How, r.Gives(), r.Withheld}
		if r.Withheld != "" {
			out.Withheld = append(out.Withheld, remedy)
		} else {
			out.Remedies = append(out.Remedies, remedy)
		}
	}
	return out
}

func answer(a diagnose.Answer) Answer {
	return Answer{a.OK(), a.Errno.String(), string(a.Cause), a.Reason}
}

func credentials(s *scenario.Start, j *diagnose.Judgement) (*Credentials, *SideEffects) {
	t := j.Task
	c := &Credentials{
		UID: t.UID.Effective, GID: t.GID.Effective, Permitted: t.Permitted, Effective: t.Effective,
		Inheritable: t.Inheritable, Bounding: t.Bounding, Ambient: t.Ambient,
		NoNewPrivs: t.NoNewPrivs, Securebits: t.Securebits.String(),
	}
	if len(s.Program.Chain) > 0 {
		c.Executable = s.Program.Last().Path
	}
	if s.Running != nil || len(j.Outcomes) == 0 {
		return c, nil // what the execve did is past
	}
	o := j.Outcomes[len(j.Outcomes)-1]
	return c, &SideEffects{o.Secure, o.Dumpable, o.PdeathCleared}
}

// trace lists the rules in the order in which they applied.
func trace(s *scenario.Start, j *diagnose.Judgement) []Rule {
	rules := []Rule{}
	add := func(at string, set law.Rules) {
		for r := range set.All() {
			rules = append(rules, Rule{r.String(), r.Says(), r.Source(), at})
		}
	}
	for i, o := range j.Outcomes {
		add(s.Program.Chain[i].Path, o.Rules)
	}
	for i, b := range j.Binds {
		add(j.Listens[i].String(), b.Rules)
	}
	return rules
}

// describe names a start for a reader.
func describe(s *scenario.Start) string {
	words := []string{printable.Name(s.Name)}
	if command := printable.Names(s.Program.Args); command != "" && command != s.Name {
		words = append(words, "("+command+")")
	}
	if s.Program.Unknown {
		words = append(words, "if its file carries no capabilities")
	}
	return strings.Join(words, " ")
}

// OK reports whether every start works.
func (r *Report) OK() bool {
	for i := range r.Starts {
		if r.Starts[i].Verdict != works {
			return false
		}
	}
	return true
}
