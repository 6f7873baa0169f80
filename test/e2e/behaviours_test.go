package e2e

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/test/e2e/internal/engine"
)

// TestBehaviours holds the data about runtimes, as far as they are here, to what
// they do: the capabilities of a container for which nothing is asked, and the
// first unprivileged port. What becomes of granted ones, TestTruth shows.
func TestBehaviours(t *testing.T) {
	for _, tc := range []struct {
		runtime *runtimeUnderTest
		of      scenario.Runtime
	}{
		{docker, scenario.Runtime{Name: scenario.Docker, Version: versions["docker"]}},
		{podmanRunc, scenario.Runtime{Name: scenario.Podman, Version: versions["podman+runc"]}},
		{podmanCrun, scenario.Runtime{Name: scenario.Podman, Version: versions["podman+crun"]}},
	} {
		t.Run(tc.runtime.Name(), func(t *testing.T) {
			need(t, append([]string{"root", "go"}, tc.runtime.needs...)...)
			spec := engine.Spec{Program: get(t, probeNone), User: "0", PortStart: engine.AnyPortStart}
			want := tc.of.Behaviour()
			if got := askForNothing(t, tc.runtime, spec); got.bounding != want.Default || got.portStart != want.PortStart {
				t.Errorf("%s gives %s, ports from %d; the data say %s, ports from %d",
					tc.runtime.Name(), got.bounding, got.portStart, want.Default, want.PortStart)
			}
			if want.Seen == "" {
				t.Errorf("the data do not say that version %s was seen", tc.of.Version)
			}
		})
	}
}

type unasked struct {
	bounding  capset.Set
	portStart int
}

// askForNothing runs a probe with the runtime's own capabilities.
func askForNothing(t *testing.T, r *runtimeUnderTest, spec engine.Spec) unasked {
	t.Helper()
	r.ready(t, spec.Program)
	name := "capwise-e2e-" + strconv.Itoa(int(units.Add(1)))
	argv, err := r.Command(name, spec)
	if err != nil {
		t.Fatal(err)
	}
	argv = slices.DeleteFunc(argv, func(arg string) bool { return arg == "--cap-drop=ALL" })
	p := run(t, exec.Command(argv[0], argv[1:]...), func() error { return r.Remove(name) })
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var got unasked
	for line := range strings.Lines(p.stdout.String()) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "CapBnd":
			n, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			got.bounding = capset.Set(n)
		case "PortStart":
			if got.portStart, err = strconv.Atoi(value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return got
}
