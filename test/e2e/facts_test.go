package e2e

import (
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// TestFacts shows what each runtime gives a program: the source of the tables in
// docs/runtimes.md.
func TestFacts(t *testing.T) {
	need(t, "root", "go", "setcap")
	for _, r := range runtimes {
		t.Run(r.Name(), func(t *testing.T) {
			for _, user := range users {
				for _, nnp := range []bool{false, true} {
					for _, p := range []*program.Program{get(t, probeNone), get(t, probePermitted)} {
						facts(t, r, engine.Spec{
							Program: p, User: user, NoNewPrivs: nnp,
							Add: []string{engine.NetBindService}, PortStart: engine.AnyPortStart,
						})
					}
				}
			}
		})
	}
}

var users = []string{"0", "65532"}

func facts(t *testing.T, r *runtimeUnderTest, spec engine.Spec) {
	p := r.begin(t, spec)
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, &p.stderr)
	}
	t.Logf("user %s, no-new-privileges %v, %s:\n%s", spec.User, spec.NoNewPrivs, spec.Program.Name, &p.stdout)
}
