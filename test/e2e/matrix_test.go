package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// matrixRow is one row of the matrix: what is started and how it must end.
type matrixRow struct {
	name    string
	program func() (*program.Program, error)
	spec    engine.Spec
	port    int // to serve on; 0 asks for the version
	fails   map[string]failure
}

// everywhere is a key of matrixRow.fails; the others are "runtime/user".
const everywhere = "*"

var matrix = []matrixRow{{
	name: "version, all dropped",
	spec: engine.Spec{PortStart: 1024},
}, {
	name: "8080, all dropped",
	spec: engine.Spec{PortStart: 1024},
	port: 8080,
}, {
	name: "8080, all dropped, read-only, no_new_privs",
	spec: engine.Spec{PortStart: 1024, ReadOnly: true, NoNewPrivs: true},
	port: 8080,
}, {
	name: "80, only NET_BIND_SERVICE",
	spec: engine.Spec{PortStart: 1024, Add: []string{engine.NetBindService}},
	port: 80,
}, {
	// What a runtime leaves permitted before exec decides this one: Docker
	// before 24.0.6 and systemd without AmbientCapabilities= leave nothing to
	// a user who isn't root.
	name:  "80, only NET_BIND_SERVICE, no_new_privs",
	spec:  engine.Spec{PortStart: 1024, Add: []string{engine.NetBindService}, NoNewPrivs: true},
	port:  80,
	fails: map[string]failure{"docker/65532": lostToNNP, "systemd/65532": lostToNNP},
}, {
	name:  "80, nothing granted",
	spec:  engine.Spec{PortStart: 1024},
	port:  80,
	fails: map[string]failure{everywhere: notBounding},
}, {
	name: "80, nothing granted, port start 0",
	spec: engine.Spec{PortStart: 0},
	port: 80,
}, {
	name:    "the official +ep: version, all dropped",
	program: caddyEffective,
	spec:    engine.Spec{PortStart: 1024},
	fails:   map[string]failure{everywhere: dumbExec},
}}

// TestMatrix starts the distribution under every runtime, as root and as nobody
// in particular.
func TestMatrix(t *testing.T) {
	for _, r := range runtimes {
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			for _, s := range matrix {
				for _, user := range users {
					t.Run(s.name+"/"+user, func(t *testing.T) {
						results.report(t, s.name+" /"+user, r.Name())
						s.run(t, r, user)
					})
				}
			}
		})
	}
}

func (s matrixRow) run(t *testing.T, r *runtimeUnderTest, user string) {
	need(t, r.needs...)
	spec := s.spec
	spec.User = user
	if s.program == nil {
		s.program = caddyPermitted
	}
	spec.Program = get(t, s.program)
	if s.port == 0 {
		spec.Args = []string{"version"}
	} else {
		spec.Config = configDir(t, caddyfile(s.port))
		spec.Args = serve(spec.Config)
	}
	p := r.begin(t, spec)
	why, fails := s.fails[r.Name()+"/"+user]
	if !fails {
		why, fails = s.fails[everywhere]
	}
	switch {
	case fails:
		s.mustFail(t, p, why)
	case s.port == 0:
		if code, out := p.wait(t), p.stdout.String(); code != 0 || !strings.HasPrefix(out, "v2.") {
			t.Errorf("exit code %d, stdout %q; want 0 and a version", code, out)
		}
	default:
		if got, want := p.get(t, s.port), fmt.Sprintf("capwise on %d", s.port); got != want {
			t.Errorf("served %q, want %q", got, want)
		}
	}
}

func (s matrixRow) mustFail(t *testing.T, p *running, why failure) {
	if code := p.wait(t); code == 0 {
		t.Errorf("exit code 0, want a failure: %s", why)
	}
	if why == dumbExec {
		p.diedAtExec(t)
		return
	}
	p.explained(t, why)
}

// explained checks the message of a Caddy that could not bind.
func (r *running) explained(t *testing.T, why failure) {
	t.Helper()
	t.Logf("%s", lastLine(r.stderr.String()))
	fragments := wording[why]
	if why == notBounding {
		fragments = append(slices.Clip(fragments), remedy[r.runtime.Name()])
	}
	r.explains(t, fragments...)
}

// diedAtExec checks that the kernel refused to execute a capability-dumb file, in
// the words of the runtime.
func (r *running) diedAtExec(t *testing.T) {
	t.Helper()
	evidence := r.stderr.String()
	if r.runtime == systemd {
		var err error
		if evidence, err = systemdEngine.Journal(r.name); err != nil {
			t.Fatal(err)
		}
	}
	const eperm = "operation not permitted"
	if !strings.Contains(strings.ToLower(evidence), eperm) {
		t.Errorf("no %q in: %s", eperm, evidence)
	}
	t.Logf("exit code %d: %s", r.cmd.ProcessState.ExitCode(), evidence)
}
