package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
)

// matrixRow is one row of the matrix: what is started and how it must end.
type matrixRow struct {
	name  string
	dumb  bool // with +ep on its file, as the official image has it
	spec  engine.Spec
	on    port
	fails map[string]failure
}

// port is what a server is asked to serve on.
type port int

const (
	noPort port = iota // it is asked for its version
	high
	low
)

// of is the number that a distribution has for the port.
func (p port) of(d *distribution) int {
	return map[port]int{high: d.high, low: d.low}[p]
}

// everywhere is a key of matrixRow.fails; the others are "runtime/user".
const everywhere = "*"

var matrix = []matrixRow{{
	name: "version, all dropped",
	spec: engine.Spec{PortStart: 1024},
}, {
	name: "all dropped", on: high,
	spec: engine.Spec{PortStart: 1024},
}, {
	name: "all dropped, read-only, no_new_privs", on: high,
	spec: engine.Spec{PortStart: 1024, ReadOnly: true, NoNewPrivs: true},
}, {
	name: "only NET_BIND_SERVICE", on: low,
	spec: engine.Spec{PortStart: 1024, Add: []string{engine.NetBindService}},
}, {
	// What a runtime leaves permitted before exec decides this one: Docker
	// before 24.0.6 and systemd without AmbientCapabilities= leave nothing to
	// a user who isn't root.
	name: "only NET_BIND_SERVICE, no_new_privs", on: low,
	spec:  engine.Spec{PortStart: 1024, Add: []string{engine.NetBindService}, NoNewPrivs: true},
	fails: map[string]failure{"docker/65532": lostToNNP, "systemd/65532": lostToNNP},
}, {
	name: "nothing granted", on: low,
	spec:  engine.Spec{PortStart: 1024},
	fails: map[string]failure{everywhere: notBounding},
}, {
	name: "nothing granted, port start 0", on: low,
	spec: engine.Spec{PortStart: 0},
}, {
	name: "the official +ep: version, all dropped", dumb: true,
	spec:  engine.Spec{PortStart: 1024},
	fails: map[string]failure{everywhere: dumbExec},
}}

// TestMatrix starts the distributions under every runtime, as root and as nobody
// in particular.
func TestMatrix(t *testing.T) {
	for _, r := range runtimes {
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			for _, d := range distributions {
				for _, s := range matrix {
					for _, user := range users {
						name := s.label(d)
						t.Run(name+"/"+user, func(t *testing.T) {
							results.report(t, name+" /"+user, r.Name())
							s.run(t, r, d, user)
						})
					}
				}
			}
		})
	}
}

// label is what the results call the row for a distribution.
func (s matrixRow) label(d *distribution) string {
	if s.on == noPort {
		return d.name + ", " + s.name
	}
	return fmt.Sprintf("%s on %d, %s", d.name, s.on.of(d), s.name)
}

func (s matrixRow) run(t *testing.T, r *runtimeUnderTest, d *distribution, user string) {
	need(t, r.needs...)
	why, fails := s.fails[r.Name()+"/"+user]
	if !fails {
		why, fails = s.fails[everywhere]
	}
	made := d.permitted
	if s.dumb {
		made = d.effective
	}
	spec := s.spec
	spec.User = user
	spec.Program = get(t, made)
	port := s.on.of(d)
	if s.on == noPort {
		spec.Args = d.version
	} else {
		spec.Config = d.folder(t, d.config(port))
		spec.Args = d.args(spec.Config)
	}
	p := r.begin(t, spec)
	switch {
	case why == dumbExec:
		p.mustFail(t)
		p.diedAtExec(t)
	case fails:
		p.mustFail(t)
		p.explained(t, d, why, port)
	case s.on == noPort:
		if code, out := p.wait(t), p.stdout.String(); code != 0 || !strings.HasPrefix(out, d.says) {
			t.Errorf("exit code %d, stdout %q; want 0 and a version", code, out)
		}
	default:
		if got, want := p.ask(t, d, port), served(port); got != want {
			t.Errorf("served %q, want %q", got, want)
		}
	}
}

// mustFail waits for the end of a server that cannot start.
func (r *running) mustFail(t *testing.T) {
	t.Helper()
	if code := r.wait(t); code == 0 {
		t.Error("exit code 0, want a failure")
	}
}

// explained checks the message of a server that could not bind a port.
func (r *running) explained(t *testing.T, d *distribution, why failure, port int) {
	t.Helper()
	t.Logf("%s", lastLine(r.stderr.String()))
	fragments := wording(why, port)
	if why == notBounding {
		fragments = append(fragments, remedy[r.runtime.Name()])
	}
	r.explains(t, d, fragments...)
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
