package diagnose

import (
	"slices"
	"strings"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Outlook is the answer about a start of which not everything need be known.
type Outlook struct {
	// Alternatives is what can come of the start: one where that is certain, whatever
	// is not known, and else one for each set of cases that comes to the same.
	Alternatives []Alternative
	// Remedies make it work whatever is so, least privilege first.
	Remedies []Remedy

	assumed []scenario.Unknown // which were too many to be judged
}

// Alternative is what comes of a start in some of the cases that are possible.
type Alternative struct {
	// If is what is so in it, of the facts that make a difference. It is empty where
	// there is no other alternative.
	If []Condition
	// Start is the start in the first of the cases, and Judgement what the law says of
	// it. In the others it has the same causes.
	Start     *scenario.Start
	Judgement Judgement
	// OneUser and OneSets say that the user, and the sets of capabilities, are the same in
	// all of the cases.
	OneUser, OneSets bool
	// Somebody says that its user is one whose number is not known, but who is not root.
	Somebody bool
	// Remedies make it work in these cases, or in those of them that [Remedy.If] says: the
	// ones that give less than those of the Outlook, which are for all.
	Remedies []Remedy

	members []variant
}

// Condition is that a fact that is not known is one of some cases.
type Condition struct {
	Unknown scenario.Unknown
	// Cases is those, in the order of the Unknown's.
	Cases []scenario.Case
}

// String returns the cases as one clause.
func (c Condition) String() string {
	words := make([]string, len(c.Cases))
	for i := range c.Cases {
		words[i] = c.Cases[i].If
	}
	return strings.Join(words, ", or ")
}

// OK reports whether the start works whatever is so.
func (o *Outlook) OK() bool {
	return !slices.ContainsFunc(o.Alternatives, func(a Alternative) bool { return !a.Judgement.OK() })
}

// Fails reports whether it fails whatever is so. Where it neither is OK nor fails, it
// depends.
func (o *Outlook) Fails() bool {
	return !slices.ContainsFunc(o.Alternatives, func(a Alternative) bool { return a.Judgement.OK() })
}

// Notes is what was assumed, one line each.
func (o *Outlook) Notes() []string {
	var notes []string
	for _, u := range o.assumed {
		notes = append(notes, "there is too much that is not known; assuming that "+u.Cases[0].If)
	}
	nameless := func(a Alternative) bool {
		p := &a.Start.Program
		return !a.Judgement.OK() && a.Start.Refused == nil && len(p.Chain) > 0 && !namesFile(p.Last().Path)
	}
	if slices.ContainsFunc(o.Alternatives, nameless) {
		notes = append(notes, "changes of the program's file are not offered: it is not known which file that is (--image)")
	}
	return notes
}

// Unknowns is the facts that make a difference, in the order of the start's.
func (o *Outlook) Unknowns() []scenario.Unknown {
	var out []scenario.Unknown
	for _, a := range o.Alternatives {
		for _, c := range a.If {
			if !slices.ContainsFunc(out, func(u scenario.Unknown) bool { return u.What == c.Unknown.What }) {
				out = append(out, c.Unknown)
			}
		}
	}
	return out
}

// Weigh judges a start in each case that is possible, and looks for remedies. Those
// that the policy forbids say why, and come last; a nil policy forbids nothing.
func Weigh(k law.Kernel, s *scenario.Start, policy Policy) Outlook {
	all, unknowns := variants(k, s)
	o := Outlook{Alternatives: split(all, unknowns, nil), assumed: s.Unknowns[len(unknowns):]}
	if o.OK() {
		return o
	}
	o.Remedies = remedies(k, all, policy)
	if len(o.Alternatives) == 1 {
		return o
	}
	for i := range o.Alternatives {
		a := &o.Alternatives[i]
		a.remedies(k, unknowns, policy)
		if offered(o.Remedies) { // a remedy for one case is worth it if it gives less
			a.Remedies = slices.DeleteFunc(a.Remedies, func(r Remedy) bool { return r.greatest() >= o.Remedies[0].greatest() })
		}
	}
	return o
}

// remedies looks for those of one alternative. What else is not known decides about
// some of them: those say so.
func (a *Alternative) remedies(k law.Kernel, unknowns []scenario.Unknown, policy Policy) {
	a.Remedies = remedies(k, a.members[:1], policy)
	if len(a.Remedies) == 0 {
		return
	}
	var rest []scenario.Unknown
	for _, u := range unknowns {
		if !slices.ContainsFunc(a.If, func(c Condition) bool { return c.Unknown.What == u.What }) {
			rest = append(rest, u)
		}
	}
	base := a.Start.Clone()
	base.Unknowns = rest
	all, rest := variants(k, base)
	x := newCandidate(a.members[:1])
	for i := range a.Remedies {
		r := &a.Remedies[i]
		after := make([]variant, len(all))
		for n := range all {
			start := x.changed(r.Changes, all[n].start)
			j := Judge(k, start)
			after[n] = variant{start, j, keyOf(&j)}
		}
		var clauses []string
		for _, c := range split(after, rest, nil)[0].If { // which holds the member that it was found for
			clauses = append(clauses, c.String())
		}
		r.If = strings.Join(clauses, "; and ")
	}
}

// offered reports whether the policy leaves a remedy.
func offered(list []Remedy) bool {
	return slices.ContainsFunc(list, func(r Remedy) bool { return r.Withheld == "" })
}

// variant is a start in one case of each fact that is not known.
type variant struct {
	start     *scenario.Start
	judgement Judgement
	key       string // what came of it
}

// mostVariants bounds how many combinations of cases are judged.
const mostVariants = 512

// variants returns every combination of the cases of some facts: of all of them, unless
// those are too many. Those of the last fact stand next to each other.
func variants(k law.Kernel, s *scenario.Start) ([]variant, []scenario.Unknown) {
	starts := []*scenario.Start{s}
	n := 0
	for ; n < len(s.Unknowns) && len(starts)*len(s.Unknowns[n].Cases) <= mostVariants; n++ {
		u := &s.Unknowns[n]
		next := make([]*scenario.Start, 0, len(starts)*len(u.Cases))
		for _, base := range starts {
			for _, c := range u.Cases {
				v := base.Clone()
				c.Set(v)
				next = append(next, v)
			}
		}
		starts = next
	}
	out := make([]variant, len(starts))
	for i, v := range starts {
		j := Judge(k, v)
		out[i] = variant{v, j, keyOf(&j)}
	}
	return out, s.Unknowns[:n]
}

// keyOf is the same for judgements with the same causes.
func keyOf(j *Judgement) string {
	if j.OK() {
		return ""
	}
	parts := []string{string(j.Exec.Cause)}
	for i, b := range j.Binds {
		parts = append(parts, j.Listens[i].String()+" "+string(b.Cause))
	}
	return strings.Join(parts, "\n")
}

// split divides variants by the facts that make a difference. The first varies slowest.
func split(all []variant, unknowns []scenario.Unknown, path []Condition) []Alternative {
	if len(unknowns) == 0 || same(all) {
		return []Alternative{alternative(all, path)}
	}
	u, rest := unknowns[0], unknowns[1:]
	each := len(all) / len(u.Cases)
	var out []Alternative
	taken := make([]bool, len(u.Cases))
	for i := range u.Cases {
		if taken[i] {
			continue
		}
		var group []scenario.Case
		var parts [][]variant
		for n := i; n < len(u.Cases); n++ {
			part := all[n*each : (n+1)*each]
			if n == i || slices.EqualFunc(parts[0], part, func(a, b variant) bool { return a.key == b.key }) {
				taken[n] = true
				group, parts = append(group, u.Cases[n]), append(parts, part)
			}
		}
		under := path
		if len(group) < len(u.Cases) { // it makes a difference
			under = append(slices.Clone(path), Condition{u, group})
		}
		out = append(out, split(interleave(parts), rest, under)...)
	}
	return out
}

// interleave puts variants next to each other that differ in one fact only.
func interleave(parts [][]variant) []variant {
	out := make([]variant, 0, len(parts)*len(parts[0]))
	for i := range parts[0] {
		for _, part := range parts {
			out = append(out, part[i])
		}
	}
	return out
}

func same(all []variant) bool {
	return !slices.ContainsFunc(all, func(v variant) bool { return v.key != all[0].key })
}

func alternative(members []variant, path []Condition) Alternative {
	a := Alternative{If: path, Start: members[0].start, Judgement: members[0].judgement, OneUser: true, OneSets: true, members: members}
	for i := range members {
		x, y := &a.Judgement.Task, &members[i].judgement.Task
		a.OneSets = a.OneSets && x.Sets == y.Sets
		a.OneUser = a.OneUser && x.UID == y.UID && x.GID == y.GID
	}
	a.Somebody = a.Start.Settings.Somebody
	for i := range a.Start.Program.Chain {
		if sw := a.Start.Program.Chain[i].Switch; sw != nil && sw.UID != nil {
			a.Somebody = sw.Somebody
		}
	}
	return a
}
