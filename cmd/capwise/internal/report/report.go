// Package report is what the commands explain and doctor say: judgements of program
// starts as JSON, which docs/schema/explain.schema.json describes, and as text.
package report

import (
	"fmt"
	"slices"
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

// The verdicts.
const (
	works   = "ok" // it starts, and may bind every address
	fails   = Fails
	depends = Depends
)

// The verdicts that [Report.Worst] may come to besides "ok".
const (
	Fails   = "fail"
	Depends = "depends" // on what is not known
)

// Start is the answer for one program start.
type Start struct {
	Name string `json:"name"`
	// Source is the notation of the source, and File and Line the place in it.
	Source string `json:"source"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Verdict is ok, fail or depends.
	Verdict string `json:"verdict"`
	// Depends is what comes of it in which case: where the verdict is depends, or it
	// fails for other causes in other cases.
	Depends []Case `json:"depends,omitempty"`
	// Result is what comes of it in any case; nil where that is not one and the same.
	*Result
	// Remedies make it work in every case.
	Remedies []Remedy `json:"remedies"`
	// Withheld is the remedies that the policy forbids.
	Withheld []Remedy `json:"withheld,omitempty"`
	Trace    []Rule   `json:"trace"`
	Notes    []string `json:"notes,omitempty"`
	// Tried is what --try found.
	Tried *Tried `json:"tried,omitempty"`

	title  string // the program and what starts it, for the text
	starts string // "starts", or "runs"
	settle string // how the reader says what is not known
	blind  bool   // no address is known, so that no bind was judged
}

// Result is what comes of a start.
type Result struct {
	Exec  Answer `json:"exec"`
	Binds []Bind `json:"binds"`
	// Credentials is nil where they are not known, or the program does not start.
	Credentials *Credentials `json:"credentials,omitempty"`
	SideEffects *SideEffects `json:"side_effects,omitempty"`

	as string // as whom it starts, for the text
}

// Case is what comes of a start if something is so that is not known.
type Case struct {
	// On is the identifiers of the facts, joined by "+".
	On string `json:"on"`
	// If is what is so, in one clause.
	If string `json:"if"`
	// Then is ok or fail.
	Then string `json:"then"`
	Result
	// Remedies make it work in this case alone.
	Remedies []Remedy `json:"remedies,omitempty"`
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
	Executable string `json:"executable"`
	// UID and GID are nil for a user who is not root, and whose number is not known.
	UID         *uint32    `json:"uid,omitempty"`
	GID         *uint32    `json:"gid,omitempty"`
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
	// If is what has to be so besides.
	If string `json:"if,omitempty"`
	// Withheld is why the policy forbids it.
	Withheld string `json:"withheld,omitempty"`
	// Patch is the remedy in the text of the source: a unified diff, or a command line;
	// "" where it was not asked for, changes the program's file alone, or is made by hand.
	Patch string `json:"patch,omitempty"`
	// FilePatch is what the remedy does to the program's file: a unified diff that makes a
	// Containerfile, or a command.
	FilePatch string `json:"file_patch,omitempty"`
	// ByHand says where the remedy, or the part of it that is not written out, is made.
	ByHand string `json:"by_hand,omitempty"`
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

// New returns the answer for a start.
func New(s *scenario.Start, o *diagnose.Outlook) Start {
	first := &o.Alternatives[0]
	out := Start{
		Name: s.Name, Source: string(s.Syntax), File: s.Where.File, Line: s.Where.Line, Verdict: verdict(o),
		Trace: trace(first.Start, &first.Judgement), Notes: slices.Concat(first.Start.Notes, o.Notes()),
		title: describe(s), starts: "starts", blind: len(s.Listens) == 0,
	}
	if s.Running != nil {
		out.starts = "runs"
	}
	out.Remedies, out.Withheld = remedies(o.Remedies)
	if len(o.Alternatives) == 1 {
		out.Result = new(result(first))
		return out
	}
	var settle []string
	for _, u := range o.Unknowns() {
		settle = append(settle, u.What+" ("+u.Settle+")")
	}
	out.settle = strings.Join(settle, ", and on ")
	for i := range o.Alternatives {
		out.Depends = append(out.Depends, caseOf(&o.Alternatives[i]))
	}
	return out
}

func verdict(o *diagnose.Outlook) string {
	switch {
	case o.OK():
		return works
	case o.Fails():
		return fails
	default:
		return depends
	}
}

func caseOf(a *diagnose.Alternative) Case {
	c := Case{Then: fails, Result: result(a)}
	if a.Judgement.OK() {
		c.Then = works
	}
	var facts, clauses []string
	for _, i := range a.If {
		facts, clauses = append(facts, string(i.Unknown.Fact)), append(clauses, i.String())
	}
	c.On, c.If = strings.Join(facts, "+"), strings.Join(clauses, "; and ")
	c.Remedies, _ = remedies(a.Remedies)
	return c
}

// result is what comes of an alternative.
func result(a *diagnose.Alternative) Result {
	r := Result{Exec: answer(a.Judgement.Exec), Binds: []Bind{}}
	for i, b := range a.Judgement.Binds {
		l := a.Judgement.Listens[i]
		r.Binds = append(r.Binds, Bind{l.Network, l.Address, portsOf(l), answer(b), string(b.Needs), l.From, l.String()})
	}
	if !a.Judgement.Exec.OK() {
		return r
	}
	c, effects := credentials(a.Start, &a.Judgement)
	switch {
	case !a.OneUser:
	case a.Somebody:
		c.UID, c.GID = nil, nil
		r.as = " as another user than root"
	default:
		r.as = fmt.Sprintf(" as %d:%d", *c.UID, *c.GID)
	}
	if a.OneUser && a.OneSets {
		r.Credentials, r.SideEffects = c, effects
	}
	return r
}

// remedies are those that are offered, and those that the policy forbids.
func remedies(list []diagnose.Remedy) (offered, withheld []Remedy) {
	offered = []Remedy{}
	for _, r := range list {
		remedy := Remedy{Change: r.Change(), How: r.How, Gives: r.Gives, If: r.If, Withheld: r.Withheld}
		if r.Withheld != "" {
			withheld = append(withheld, remedy)
		} else {
			offered = append(offered, remedy)
		}
	}
	return offered, withheld
}

func answer(a diagnose.Answer) Answer {
	return Answer{a.OK(), a.Errno.String(), string(a.Cause), a.Reason}
}

func credentials(s *scenario.Start, j *diagnose.Judgement) (*Credentials, *SideEffects) {
	t := j.Task
	c := &Credentials{
		UID: &t.UID.Effective, GID: &t.GID.Effective, Permitted: t.Permitted, Effective: t.Effective,
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
		at := s.Program.Chain[i].Path
		if at == "" {
			at = "the program"
		}
		add(at, o.Rules)
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
		words = append(words, "("+shortened(command)+")")
	}
	return strings.Join(words, " ")
}

// longest is how much of a command line is shown, which may be a whole script.
const longest = 100

func shortened(text string) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest]) + "..."
}

// Worst is the verdict on all starts: fail if one fails, else depends if one does.
func (r *Report) Worst() string {
	worst := works
	for i := range r.Starts {
		switch r.Starts[i].Verdict {
		case fails:
			return fails
		case depends:
			worst = depends
		}
	}
	return worst
}
