package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

const (
	ambient      = "--property=AmbientCapabilities=CAP_NET_BIND_SERVICE"
	dynamicUser  = "--property=DynamicUser=yes"
	privateUsers = "--property=PrivateUsers=yes"
)

// TestSystemd tries the settings that only systemd has.
func TestSystemd(t *testing.T) {
	bounding := []string{engine.NetBindService}
	for _, test := range []struct {
		name    string
		program func() (*program.Program, error)
		spec    engine.Spec
		port    int
		fails   failure
	}{{
		name: "ambient", program: caddyPermitted, port: 80,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}},
	}, {
		name: "ambient, no_new_privs", program: caddyPermitted, port: 80,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}, NoNewPrivs: true},
	}, {
		name: "ambient, file without capabilities", program: caddyNone, port: 80,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{ambient}, NoNewPrivs: true},
	}, {
		name: "dynamic user", program: caddyPermitted, port: 8080,
		spec: engine.Spec{Extra: []string{dynamicUser}},
	}, {
		name: "dynamic user, ambient", program: caddyPermitted, port: 80,
		spec: engine.Spec{Add: bounding, Extra: []string{dynamicUser, ambient}},
	}, {
		// DynamicUser= implies NoNewPrivileges=, and where that meets a mount
		// namespace, systemd mounts everything in it nosuid.
		name: "dynamic user, bounding set only", program: caddyPermitted, port: 80, fails: nosuid,
		spec: engine.Spec{Add: bounding, Extra: []string{dynamicUser}},
	}, {
		name: "private users", program: caddyPermitted, port: 8080,
		spec: engine.Spec{User: "65532", Extra: []string{privateUsers}},
	}, {
		name: "private users, ambient", program: caddyPermitted, port: 80, fails: foreignNetNS,
		spec: engine.Spec{User: "65532", Add: bounding, Extra: []string{privateUsers, ambient}},
	}} {
		t.Run(test.name, func(t *testing.T) {
			results.report(t, test.name, systemd.Name())
			need(t, systemd.needs...)
			spec := test.spec
			spec.PortStart = 1024
			spec.Program = get(t, test.program)
			spec.Config = configDir(t, caddyfile(test.port))
			spec.Args = serve(spec.Config)
			p := systemd.begin(t, spec)
			if test.fails != "" {
				if code := p.wait(t); code == 0 {
					t.Error("exit code 0")
				}
				p.explained(t, test.fails)
				return
			}
			if got, want := p.get(t, test.port), fmt.Sprintf("capwise on %d", test.port); got != want {
				t.Errorf("served %q, want %q", got, want)
			}
		})
	}
}

// TestSocketActivation hands a low port to a Caddy that may not bind one.
func TestSocketActivation(t *testing.T) {
	results.report(t, "socket activation on 81, all dropped", systemd.Name())
	need(t, systemd.needs...)
	p := get(t, caddyPermitted)
	systemd.ready(t, p)
	dir := configDir(t, "{\n\tadmin off\n}\nhttp:// {\n\tbind fd/3\n\trespond \"capwise on {http.request.local.port}\"\n}\n")
	name := fmt.Sprintf("capwise-e2e-%d", units.Add(1))
	argv := systemdEngine.Activate(name, "127.0.0.1:81", engine.Spec{Program: p, Args: serve(dir), User: "65532"})
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
	if want := "capwise on 81"; body != want {
		t.Errorf("served %q, want %q", body, want)
	}
}
