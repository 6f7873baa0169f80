package launch

import (
	"errors"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
)

// Caps says what becomes of capabilities before a program is started. Those in
// none of the sets are left as they are.
type Caps struct {
	// Require are made ambient; the program is not started without them.
	Require capset.Set
	// Prefer are made ambient where that is possible.
	Prefer capset.Set
	// Never are given up: neither permitted nor inheritable nor ambient. A file
	// with capabilities, or being root, can still bring them back.
	Never capset.Set
}

// Everything makes ambient whatever is permitted.
func Everything() Caps { return Caps{Prefer: ^capset.Set(0)} }

// Add reads one capability in the form "CAP", "CAP=require", "CAP=prefer" or
// "CAP=never", where CAP is as in [capset.ParseCap] or without "cap_". CAP alone
// is preferred, since a program that starts without it can say best what it
// lacks. The error names the text.
func (c *Caps) Add(text string) error {
	name, need, given := strings.Cut(text, "=")
	number, err := capset.ParseCap(name)
	if err != nil {
		var short error
		if number, short = capset.ParseCap("cap_" + name); short != nil {
			return err
		}
	}
	one := capset.Of(number)
	if (c.Require|c.Prefer|c.Never)&one != 0 {
		return errors.New(number.String() + " is named twice")
	}
	switch {
	case !given, need == "prefer":
		c.Prefer |= one
	case need == "require":
		c.Require |= one
	case need == "never":
		c.Never |= one
	default:
		return errors.New(strconv.Quote(text) + ": want require, prefer or never after the =")
	}
	return nil
}

func (c Caps) disjoint() bool {
	return c.Require&c.Prefer == 0 && c.Require&c.Never == 0 && c.Prefer&c.Never == 0
}

// state is what of a thread's credentials decides over making ambient.
type state struct {
	sets
	bounding capset.Set // of what is permitted and not inheritable
	noRaise  bool       // SECBIT_NO_CAP_AMBIENT_RAISE
	noRoot   bool       // SECBIT_NOROOT
	// protected says that the kernel protects this process from who started it,
	// since its file gave it what was not permitted before.
	protected  bool
	noNewPrivs bool
}

type sets struct{ permitted, effective, inheritable, ambient capset.Set }

// gives reports whether a program gets more by the sets than by those before.
func (s sets) gives(before sets) bool {
	return !before.ambient.Contains(s.ambient) || !before.inheritable.Contains(s.inheritable)
}

// plan returns what s has to become. The rules are those of capset(2) and
// PR_CAP_AMBIENT_RAISE, as law.Task.MakeAmbient has them.
func (c Caps) plan(s state) (sets, error) {
	can := s.permitted & (s.inheritable | s.bounding)
	if s.noRaise {
		can &= s.ambient
	}
	if missing := c.Require &^ can; missing != 0 {
		return s.sets, errors.New("required and not permitted here: " + missing.String())
	}
	give := (c.Require | c.Prefer) & can
	s.inheritable = (s.inheritable | give) &^ c.Never
	s.ambient = (s.ambient | give) &^ c.Never
	s.permitted &^= c.Never
	s.effective &^= c.Never
	return s.sets, nil
}

// planFile is plan for a target whose own file gives it what is inheritable.
//
// Where the kernel protects this process, because its file gave it a capability,
// the capability is given up as permitted: the target's file then gives it anew, and
// the kernel protects the target as it would have, had its file carried +ep
// (commit_creds of kernel/cred.c). Elsewhere the starter had the capability
// already, or no_new_privs is set, under which a file gives nothing that is not
// permitted; there it stays, and +ep would not have protected either.
func (c Caps) planFile(s state) sets {
	give := c.Prefer & s.permitted & (s.inheritable | s.bounding)
	s.inheritable = (s.inheritable | give) &^ c.Never
	s.permitted &^= c.Never
	if s.protected && !s.noNewPrivs {
		s.permitted &^= give
	}
	s.effective &= s.permitted
	s.ambient &= s.permitted
	return s.sets
}
