package diagnose

import (
	"cmp"
	"slices"
	"strings"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Remedy is a set of changes that make a start work.
type Remedy struct {
	Changes []Change
	// How is the changes in the notation of the start's source.
	How string
	// Gives says what the changed start has more than the one before, and to whom.
	Gives string
	// If is what has to be so besides; "" if nothing has.
	If string
	// Withheld is why the platform's policy forbids it; "" where it does not.
	Withheld string
	// Start is the changed start.
	Start *scenario.Start

	root bool // it runs as root, and did not before
}

// Change returns the identifiers of the changes, joined by "+".
func (r Remedy) Change() string {
	ids := make([]string, len(r.Changes))
	for i, c := range r.Changes {
		ids[i] = c.String()
	}
	return strings.Join(ids, "+")
}

// Policy says why the platform forbids a changed start, or "".
type Policy func(*scenario.Start, []Change) string

// most is how many remedies are worth reading.
const most = 6

// Remedies returns changes after which the start works, each judged again by the
// law, least privilege first. None contains another. Those that the policy
// forbids say why, and come last; a nil policy forbids nothing. What is not known about
// the start is not looked at: [Weigh] does that.
func Remedies(k law.Kernel, s *scenario.Start, j *Judgement, policy Policy) []Remedy {
	return remedies(k, []variant{{start: s, judgement: *j}}, policy)
}

// remedies returns those that make every variant work.
func remedies(k law.Kernel, all []variant, policy Policy) []Remedy {
	at := slices.IndexFunc(all, func(v variant) bool { return !v.judgement.OK() })
	if at < 0 || len(all[at].start.Program.Chain) == 0 { // what is not there, no change of a start makes
		return nil
	}
	x := newCandidate(all[at:])
	var single []Change
	for c := range numChanges {
		if x.appliesToOne(c, all) && x.how(c) != "" {
			single = append(single, c)
		}
	}
	var found []Remedy
	for size := 1; size <= 3; size++ {
		combinations(single, size, func(changes []Change) {
			if r, ok := x.try(k, changes, all, found); ok {
				found = append(found, r)
			}
		})
		if size >= 2 && len(found) > 0 {
			break
		}
	}
	slices.SortStableFunc(found, compare)
	return x.finish(found, policy)
}

// appliesToOne reports whether the change applies to a variant that does not work.
func (x *candidate) appliesToOne(c Change, all []variant) bool {
	return slices.ContainsFunc(all, func(v variant) bool {
		one := *x
		one.start, one.found = v.start, &v.judgement
		return !v.judgement.OK() && one.applies(c)
	})
}

// try judges the variants with the changes, unless fewer of them will do.
func (x *candidate) try(k law.Kernel, changes []Change, all []variant, found []Remedy) (Remedy, bool) {
	for _, f := range found {
		if containsAll(changes, f.Changes) && !f.root {
			return Remedy{}, false
		}
	}
	r := Remedy{Changes: slices.Clone(changes)}
	around := slices.ContainsFunc(found, func(f Remedy) bool { return f.root && containsAll(changes, f.Changes) })
	gives := gains{}
	for i := range all {
		before := &all[i]
		s := x.changed(changes, before.start)
		after := Judge(k, s)
		if !after.OK() {
			return Remedy{}, false
		}
		gives.add(before, s, &after)
		if before.start == x.start {
			r.Start = s
		}
	}
	r.Gives, r.root = gives.String(), gives.root
	return r, !around || !r.root // more than a remedy that gives root is worth it if it does not
}

// changed returns a start with the changes.
func (x *candidate) changed(changes []Change, start *scenario.Start) *scenario.Start {
	s := start.Clone()
	for _, c := range changes {
		x.apply(c, s)
	}
	if len(changes) > 1 || changes[0] != ChangePort { // the program has to be started again
		s.Running = nil
	}
	return s
}

// finish words the remedies, and asks the policy about them.
func (x *candidate) finish(found []Remedy, policy Policy) []Remedy {
	var offered, withheld []Remedy
	for _, r := range found {
		parts := make([]string, len(r.Changes))
		for i, c := range r.Changes {
			parts[i] = x.how(c)
		}
		r.How = strings.Join(parts, ", and ")
		if policy != nil {
			r.Withheld = policy(r.Start, r.Changes)
		}
		if r.Withheld != "" {
			withheld = append(withheld, r)
		} else {
			offered = append(offered, r)
		}
	}
	return append(offered[:min(len(offered), most)], withheld[:min(len(withheld), most)]...)
}

// compare orders by the greatest change, then by the number, then by the others. What
// makes a program root that was not comes as late as the change that says so.
func compare(a, b Remedy) int {
	return cmp.Or(cmp.Compare(a.greatest(), b.greatest()), cmp.Compare(len(a.Changes), len(b.Changes)), slices.Compare(a.Changes, b.Changes))
}

func (r *Remedy) greatest() Change {
	if r.root {
		return RunAsRoot
	}
	greatest := ChangePort
	for _, c := range r.Changes {
		if c == RunAsRoot { // of one that was to be root anyway
			c = RunAsUser
		}
		greatest = max(greatest, c)
	}
	return greatest
}

func containsAll[T comparable](all, some []T) bool {
	for _, c := range some {
		if !slices.Contains(all, c) {
			return false
		}
	}
	return true
}

// combinations calls fn with each choice of n of the changes, in their order.
func combinations(changes []Change, n int, fn func([]Change)) {
	var choose func(from int, chosen []Change)
	choose = func(from int, chosen []Change) {
		if len(chosen) == n {
			fn(chosen)
			return
		}
		for i := from; i < len(changes); i++ {
			choose(i+1, append(chosen, changes[i]))
		}
	}
	choose(0, make([]Change, 0, n))
}
