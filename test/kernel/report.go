package kernelcheck

import (
	"fmt"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// describe prints both sides of a mismatch, and the rules that the law applied.
func describe(s *sweep, from start, t trial, kernel, model result, rules law.Rules) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", s.name, t)
	fmt.Fprintf(&b, "  before: %s tracer=%d shared-fs=%t\n", from.before.Creds, from.task.Tracer, from.task.SharedFS)
	fmt.Fprintf(&b, "  kernel: %s\n", kernel)
	fmt.Fprintf(&b, "  law:    %s\n", model)
	for r := range rules.All() {
		fmt.Fprintf(&b, "    %s: %s\n", r, r.Says())
	}
	return b.String()
}

func (r result) String() string {
	errno := "ok"
	if r.errno != 0 {
		errno = fmt.Sprintf("errno %d (%v)", r.errno, r.errno)
	}
	return fmt.Sprintf("%s %s secure=%d dumpable=%d pdeathsig=%d", errno, r.creds, r.secure, r.dumpable, r.pdeathsig)
}

func (c creds) String() string {
	set := func(s uint64) string { return "{" + capset.Set(s).String() + "}" }
	return fmt.Sprintf("uid=%v gid=%v groups=%v X=%s P=%s E=%s I=%s A=%s securebits={%s} no_new_privs=%d",
		c.UID, c.GID, c.Groups[:min(int(c.NGroups), len(c.Groups))], set(c.Bounding), set(c.Permitted), set(c.Effective),
		set(c.Inheritable), set(c.Ambient), cred.Securebits(c.Securebits), c.NoNewPrivs)
}
