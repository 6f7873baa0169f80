package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
)

const (
	ambient      = "--property=AmbientCapabilities=CAP_NET_BIND_SERVICE"
	dynamicUser  = "--property=DynamicUser=yes"
	privateUsers = "--property=PrivateUsers=yes"
)

// TestSystemd tries the settings that only systemd has.
func TestSystemd(t *testing.T) {
	bounding := []string{engine.NetBindService}
	for _, row := range []unitRow{{
		name: "ambient", on: low,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}},
	}, {
		name: "ambient, no_new_privs", on: low,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}, NoNewPrivs: true},
	}, {
		name: "ambient, file without capabilities", bare: true, on: low,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}, NoNewPrivs: true},
	}, {
		name: "dynamic user", on: high,
		spec: engine.Spec{Extra: []string{dynamicUser}},
	}, {
		name: "dynamic user, ambient", on: low,
		spec: engine.Spec{Add: bounding, Extra: []string{dynamicUser, ambient}},
	}, {
		// DynamicUser= implies NoNewPrivileges=, and where that meets a mount
		// namespace, systemd mounts everything in it nosuid.
		name: "dynamic user, bounding set only", on: low, fails: nosuid,
		spec: engine.Spec{Add: bounding, Extra: []string{dynamicUser}},
	}, {
		name: "private users", on: high,
		spec: engine.Spec{User: "65532", Extra: []string{privateUsers}},
	}, {
		name: "private users, ambient", on: low, fails: foreignNetNS,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{privateUsers, ambient}},
	}} {
		for _, d := range distributions {
			name := d.name + ", " + row.name
			t.Run(name, func(t *testing.T) {
				results.report(t, name, systemd.Name())
				row.run(t, d)
			})
		}
	}
}

// unitRow is one unit and how it must end.
type unitRow struct {
	name  string
	bare  bool // its file has no capabilities
	spec  engine.Spec
	on    port
	fails failure
}

func (u unitRow) run(t *testing.T, d *distribution) {
	need(t, systemd.needs...)
	made := d.permitted
	if u.bare {
		made = d.none
	}
	port := u.on.of(d)
	spec := u.spec
	spec.PortStart = 1024
	spec.Program = get(t, made)
	spec.Config = d.folder(t, d.config(port))
	spec.Args = d.args(spec.Config)
	p := systemd.begin(t, spec)
	if u.fails != "" {
		p.mustFail(t)
		p.explained(t, d, u.fails, port)
		return
	}
	if got, want := p.ask(t, d, port), served(port); got != want {
		t.Errorf("served %q, want %q", got, want)
	}
}

// TestSocketActivation hands a low port to a Caddy that may not bind one.
func TestSocketActivation(t *testing.T) {
	results.report(t, "socket activation on 81, all dropped", systemd.Name())
	need(t, systemd.needs...)
	p := get(t, caddyPermitted)
	systemd.ready(t, p)
	dir := caddy.folder(t, "{\n\tadmin off\n}\nhttp:// {\n\tbind fd/3\n\trespond \"capwise on {http.request.local.port}\"\n}\n")
	name := fmt.Sprintf("capwise-e2e-%d", units.Add(1))
	argv := systemdEngine.Activate(name, "127.0.0.1:81", engine.Spec{Program: p, Args: caddy.args(dir), User: "65532"})
	t.Cleanup(func() {
		if t.Failed() {
			journal, err := systemdEngine.Journal(name)
			t.Logf("command: %s\njournal (%v):\n%s", strings.Join(argv, " "), err, journal)
		}
		if err := systemd.Remove(name); err != nil {
			t.Error(err)
		}
	})
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	body, err := httpGet("/proc/self/ns/net", "http://127.0.0.1:81/")
	if err != nil {
		t.Fatal(err)
	}
	if want := served(81); body != want {
		t.Errorf("served %q, want %q", body, want)
	}
}
