package law_test

import (
	"testing"

	"github.com/capwise/capwise/law"
)

// TestEveryRule holds that each rule has its texts, and that a case of the
// tables provokes it: a rule that nothing provokes is not a rule.
func TestEveryRule(t *testing.T) {
	var provoked law.Rules
	for _, c := range append(execCases, setIDCases...) {
		provoked |= law.Exec(c.kernel, c.task, c.file).Rules
	}
	for _, c := range bindCases {
		provoked |= law.Bind(c.task, c.network, c.port).Rules
	}
	for _, c := range setuidCases {
		_, rules := c.task.SetUIDs(c.uids[0], c.uids[1], c.uids[2])
		provoked |= rules
	}
	seen := map[string]law.Rule{}
	for r := range law.NumRules {
		if r.String() == "" || r.Says() == "" || r.Source() == "" {
			t.Errorf("rule %d: id %q, says %q, source %q", r, r, r.Says(), r.Source())
		}
		if other, ok := seen[r.String()]; ok {
			t.Errorf("rules %d and %d have the id %q", other, r, r)
		}
		seen[r.String()] = r
		if !provoked.Has(r) {
			t.Errorf("no case provokes %s", r)
		}
	}
}

func TestRulesInOrder(t *testing.T) {
	rules := law.Exec(law.Kernel{}, user(nil), file("cap_net_bind_service=ep")).Rules
	last := -1
	for r := range rules.All() {
		if int(r) <= last || !rules.Has(r) {
			t.Errorf("rule %s out of order", r)
		}
		last = int(r)
	}
	for r := range rules.All() {
		if r == law.FileCaps {
			return // stops early
		}
	}
	t.Error("no rule file-caps")
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{law.OK.String(), ""},
		{law.EPERM.String(), "EPERM"},
		{law.EACCES.String(), "EACCES"},
		{law.EINVAL.String(), "EINVAL"},
		{law.SetIDByReal.String(), "by-real-id"},
		{law.SetIDByEffective.String(), "by-effective-id"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
