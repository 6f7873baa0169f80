package kernelcheck_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/law"
	kernelcheck "github.com/capwise/capwise/test/kernel"
)

// check compares some cases with the law, and with the mutants.
func check(t *testing.T, cases int, seed uint64, mutants ...kernelcheck.Model) kernelcheck.Report {
	t.Helper()
	need.Root(t)
	need.File(t, "agent/src/agent", "test/kernel/kernelcheck.sh -")
	r, err := kernelcheck.Run(kernelcheck.Options{
		Random: cases, Seed: seed, Workers: 2, Model: kernelcheck.Law(), Mutants: mutants, Dir: "/tmp",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLaw compares the law with this kernel: in CI a million random cases,
// others each time, and else a few seconds' worth.
func TestLaw(t *testing.T) {
	cases, seed := 50_000, uint64(1)
	if os.Getenv("CI") == "true" {
		cases, seed = 1_000_000, rand.Uint64()
	}
	r := check(t, cases, seed)
	for _, m := range r.Shown {
		t.Error(m)
	}
	t.Logf("%d cases compared, %d mismatches; again: capwise-kernelcheck -mode random -count %d -seed %d", r.Compared, r.Mismatches, cases, seed)
	if r.Compared < cases {
		t.Errorf("compared %d cases, want %d", r.Compared, cases)
	}
	for _, s := range r.Sweeps {
		if s.Compared == 0 {
			t.Errorf("no case of %q was compared", s.Name)
		}
	}
	// No attribute that can be written is malformed, and file capabilities are
	// disabled only where the kernel was booted so.
	var silent []law.Rule
	for rule := range law.PortNotEffective + 1 {
		if r.Rules[rule] == 0 {
			silent = append(silent, rule)
		}
	}
	if want := []law.Rule{law.FileCapsDisabled, law.FileCapsMalformed}; !slices.Equal(silent, want) {
		t.Errorf("the kernel was not asked about the rules %v, want all but %v", silent, want)
	}
}
