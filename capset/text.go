package capset

import (
	"errors"
	"strconv"
	"strings"
)

// State is the three sets that cap_from_text(3) describes: those of a thread,
// or those that a file stands for.
type State struct {
	Effective   Set
	Permitted   Set
	Inheritable Set
}

// flags says in which of the three sets a capability is.
type flags uint8

const (
	flagE flags = 1 << iota
	flagI
	flagP
	numFlags = 1 << iota
)

// String returns the flags in libcap's order: "e", "ip", "eip".
func (f flags) String() string {
	return [numFlags]string{"", "e", "i", "ei", "p", "ep", "ip", "eip"}[f]
}

// ParseState reads the text form of libcap: clauses separated by white space,
// each a list of names (or "all") followed by operators and flags, such as
// "cap_net_bind_service=ep", "cap_net_admin,cap_net_raw+eip", "=" or
// "all=ep cap_sys_admin-ep".
//
// It accepts what cap_from_text(3) of libcap 2.66 accepts, and takes it to
// mean the same, except for "all": that is [All], whatever the running kernel
// knows, and it adds to a list instead of replacing what stands before it.
// "=" resets the listed capabilities, as that page says; libcap's Go package
// resets all.
// The error names the clause that could not be read.
func ParseState(text string) (State, error) {
	var s State
	for clause := range strings.FieldsSeq(text) {
		if err := s.apply(clause); err != nil {
			return State{}, errors.New("capability text " + strconv.Quote(clause) + ": " + err.Error())
		}
	}
	return s, nil
}

// apply changes s as one clause says.
func (s *State) apply(clause string) error {
	op := strings.IndexAny(clause, "=+-")
	if op < 0 {
		return errors.New("no operator: want =, + or - after the list")
	}
	list, actions := clause[:op], clause[op:]
	caps, err := ParseSet(list)
	if err != nil {
		return err
	}
	if list == "" {
		if actions[0] != '=' || strings.ContainsAny(actions, "+-") {
			return errors.New("no capabilities before " + strconv.Quote(actions))
		}
		caps = All
	}
	return s.applyActions(caps, actions)
}

// applyActions changes the capabilities in caps as a chain of operators with
// flags says: "=ep", "+e-p". Only the first operator may be "=", and only
// after "=" may the flags be missing.
func (s *State) applyActions(caps Set, actions string) error {
	for first := true; actions != ""; first = false {
		op := actions[0]
		n := 1
		var f flags
		for ; n < len(actions) && isFlag(actions[n]); n++ {
			f |= flagOf(actions[n])
		}
		switch {
		case n < len(actions) && !strings.ContainsRune("=+-", rune(actions[n])):
			return errors.New("unknown flag " + strconv.Quote(actions[n:n+1]) + ": want e, i or p")
		case op == '=' && !first:
			return errors.New("= must be the first operator")
		case f == 0 && op != '=': // "=+p" is an "=" without flags and one more action
			return errors.New("no flags after " + strconv.Quote(actions[:1]))
		}
		if op == '=' {
			s.lower(caps, flagE|flagI|flagP)
		}
		if op == '-' {
			s.lower(caps, f)
		} else {
			s.raise(caps, f)
		}
		actions = actions[n:]
	}
	return nil
}

func isFlag(c byte) bool { return c == 'e' || c == 'i' || c == 'p' }

func flagOf(c byte) flags {
	switch c {
	case 'e':
		return flagE
	case 'i':
		return flagI
	default:
		return flagP
	}
}

func (s *State) raise(caps Set, f flags) {
	for _, t := range s.targets(f) {
		*t |= caps
	}
}

func (s *State) lower(caps Set, f flags) {
	for _, t := range s.targets(f) {
		*t &^= caps
	}
}

// targets returns the sets that f names.
func (s *State) targets(f flags) []*Set {
	var t []*Set
	if f&flagE != 0 {
		t = append(t, &s.Effective)
	}
	if f&flagI != 0 {
		t = append(t, &s.Inheritable)
	}
	if f&flagP != 0 {
		t = append(t, &s.Permitted)
	}
	return t
}

// flags returns in which sets c is.
func (s State) flags(c Cap) flags {
	var f flags
	if s.Effective.Has(c) {
		f |= flagE
	}
	if s.Inheritable.Has(c) {
		f |= flagI
	}
	if s.Permitted.Has(c) {
		f |= flagP
	}
	return f
}

// String returns the text that getcap of libcap 2.66 prints on a kernel that
// knows [All]: the commonest combination of flags first, then what differs
// from it. [ParseState] reads it back to the same State.
func (s State) String() string {
	var groups [numFlags]Set // by flags; named capabilities only
	var unnamed [numFlags]Set
	for c := range MaxCap + 1 {
		if All.Has(c) {
			groups[s.flags(c)] |= Of(c)
		} else {
			unnamed[s.flags(c)] |= Of(c)
		}
	}
	base := commonest(groups)
	words := []string{"=" + base.String()}
	for _, f := range textOrder {
		if f == base || groups[f] == 0 {
			continue
		}
		var w string
		if add := f &^ base; add != 0 {
			op := "+"
			if len(words) == 1 && words[0] == "=" {
				words, op = nil, "=" // "= x+p" is written "x=p"
			}
			w = op + add.String()
		}
		if sub := base &^ f; sub != 0 {
			w += "-" + sub.String()
		}
		words = append(words, groups[f].String()+w)
	}
	for _, f := range textOrder {
		if f != 0 && unnamed[f] != 0 {
			words = append(words, unnamed[f].String()+"+"+f.String())
		}
	}
	return strings.Join(words, " ")
}

// textOrder is the order in which libcap writes the combinations.
var textOrder = [numFlags]flags{
	flagE | flagI | flagP, flagI | flagP, flagE | flagI, flagI,
	flagE | flagP, flagP, flagE, 0,
}

// commonest returns the flags that most capabilities have; where two tie, the
// one that libcap writes later.
func commonest(groups [numFlags]Set) flags {
	best := textOrder[0]
	for _, f := range textOrder[1:] {
		if groups[f].Len() >= groups[best].Len() {
			best = f
		}
	}
	return best
}
