package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
)

var containerd = scenario.Runtime{Name: scenario.Containerd}

func parse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Parse([]byte(text), "f.yaml", containerd)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

func TestWorkloads(t *testing.T) {
	text, err := os.ReadFile("testdata/workloads.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, string(text))
	want := []struct {
		name, path string
		line       int
	}{
		{"deployment/web/setup", "spec.template.spec.initContainers[0]", 28},
		{"deployment/web/caddy", "spec.template.spec.containers[0]", 33},
		{"deployment/web/side", "spec.template.spec.containers[1]", 44},
		{"cronjob/nightly/job", "spec.jobTemplate.spec.template.spec.containers[0]", 61},
		{"pod/dbg-/a", "items[0].spec.containers[0]", 71},
		{"statefulset/db/db", "items[2].spec.template.spec.containers[0]", 77},
		{"statefulset/db/dbg", "items[2].spec.template.spec.ephemeralContainers[0]", 77},
	}
	if len(m.Containers) != len(want) {
		t.Fatalf("%d containers, want %d", len(m.Containers), len(want))
	}
	for i, w := range want {
		c := m.Containers[i]
		if c.Name != w.name || c.Where != (scenario.Where{File: "f.yaml", Line: w.line, Path: w.path}) {
			t.Errorf("container %d: %s at %+v, want %+v", i, c.Name, c.Where, w)
		}
	}
	if notes := fmt.Sprint(m.Notes); !strings.Contains(notes, "ConfigMap, Rollout, Service") {
		t.Errorf("notes %s", notes)
	}

	bind := capset.Of(capset.NetBindService)
	caddy := m.Containers[1]
	wantSettings := scenario.Settings{
		Runtime: containerd, UID: 1000, GID: 3000, Granted: bind, Added: bind, NoNewPrivs: true, PortStart: 80, SetsPortStart: true,
	}
	if !reflect.DeepEqual(caddy.Settings, wantSettings) {
		t.Errorf("settings\n%+v, want\n%+v", caddy.Settings, wantSettings)
	}
	wantRequest := scenario.Request{
		Image: "caddy:2", Args: []string{"caddy", "run"}, User: "1000:3000", Groups: []string{"4000", "2000"}, NonRoot: true,
		NetSysctl: "net.ipv4.ip_unprivileged_port_start",
	}
	if !reflect.DeepEqual(caddy.Request, wantRequest) {
		t.Errorf("request\n%+v, want\n%+v", caddy.Request, wantRequest)
	}
	if got := fmt.Sprint(caddy.Listens); got != "[tcp :80 udp :443]" || caddy.Listens[1].From != "ports[1].containerPort" {
		t.Errorf("listens %s from %q", got, caddy.Listens[1].From)
	}
	if caddy.Namespace != "shop" || caddy.Template.Labels["app"] != "web" || caddy.Template.Spec.Containers[caddy.Index].Name != "caddy" {
		t.Errorf("template %+v of %q", caddy.Template, caddy.Namespace)
	}
	setup := m.Containers[0]
	if setup.Refused == nil || setup.Refused.Cause != scenario.CauseRunAsNonRoot || setup.List != InitContainers || setup.Request.Args == nil {
		t.Errorf("init container: refused %+v, %s, args %v", setup.Refused, setup.List, setup.Request.Args)
	}
	if side := m.Containers[2]; side.Request.Path != "/opt/bin" || side.Settings.Granted != containerd.Behaviour().Default || side.Settings.NoNewPrivs {
		t.Errorf("side: %+v", side.Start)
	}
	if job := m.Containers[3]; job.Settings.Network != scenario.NetworkHost || job.Settings.Granted != capset.All {
		t.Errorf("job: %+v", job.Settings)
	}
	if a := m.Containers[4]; !a.Settings.UserNamespace || a.Settings.PortStart != scenario.Unset {
		t.Errorf("hostUsers: false: %+v", a.Settings)
	}
}

// pod returns a Pod with fields of its spec and of its container's security context.
func pod(spec, context string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {%s containers: [{name: c, image: i, securityContext: {%s}}]}}`, spec, context)
}

func TestCapabilities(t *testing.T) {
	bind, base := capset.Of(capset.NetBindService), containerd.Behaviour().Default
	for context, want := range map[string]struct {
		granted capset.Set
		note    string
	}{
		"":                            {base, ""},
		"capabilities: {drop: [all]}": {0, ""},
		"capabilities: {drop: [ALL], add: [net_bind_service]}":     {bind, ""},
		"capabilities: {drop: [NET_BIND_SERVICE]}":                 {base &^ bind, ""},
		"capabilities: {add: [NET_ADMIN]}":                         {base | capset.Of(capset.NetAdmin), ""},
		"capabilities: {add: [KILL], drop: [KILL]}":                {base &^ capset.Of(capset.Kill), "dropping wins"},
		"capabilities: {add: [ALL], drop: [NET_BIND_SERVICE]}":     {capset.All &^ bind, ""},
		"capabilities: {add: [ALL], drop: [ALL]}":                  {0, ""},
		"capabilities: {drop: [ALL], add: [CAP_NET_BIND_SERVICE]}": {0, "without CAP_"},
		"capabilities: {drop: [ALL], add: [NET_BIND]}":             {0, `"NET_BIND" is unknown`},
		"privileged: true, capabilities: {drop: [ALL]}":            {capset.All, ""},
	} {
		c := parse(t, pod("", context)).Containers[0]
		if c.Settings.Granted != want.granted {
			t.Errorf("%s: granted %s, want %s", context, c.Settings.Granted, want.granted)
		}
		if notes := strings.Join(c.Notes, "\n"); want.note == "" && notes != "" || !strings.Contains(notes, want.note) {
			t.Errorf("%s: notes %q, want %q", context, notes, want.note)
		}
	}
}

func TestInheritance(t *testing.T) {
	for _, tc := range []struct{ spec, context, user string }{
		{"", "", ""},
		{"securityContext: {runAsUser: 5},", "", "5"},
		{"securityContext: {runAsUser: 5},", "runAsUser: 6", "6"},
		{"securityContext: {runAsUser: 5, runAsGroup: 7},", "runAsUser: 6", "6:7"},
		{"securityContext: {runAsUser: 5, runAsGroup: 7},", "runAsGroup: 0", "5:0"},
		{"", "runAsGroup: 9", ":9"},
	} {
		c := parse(t, pod(tc.spec, tc.context)).Containers[0]
		if c.Request.User != tc.user {
			t.Errorf("%s %s: user %q, want %q", tc.spec, tc.context, c.Request.User, tc.user)
		}
	}
}

func TestRefusals(t *testing.T) {
	const sysctl = `securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]},`
	for _, tc := range []struct {
		spec, context string
		cause         scenario.Cause
	}{
		{"", "", ""},
		{"", "runAsNonRoot: true, runAsUser: 0", scenario.CauseRunAsNonRoot},
		{"securityContext: {runAsNonRoot: true, runAsUser: 0},", "", scenario.CauseRunAsNonRoot},
		{"securityContext: {runAsNonRoot: true, runAsUser: 0},", "runAsUser: 7", ""},
		{"securityContext: {runAsNonRoot: true, runAsUser: 0},", "runAsNonRoot: false", ""},
		{"securityContext: {runAsNonRoot: true},", "", ""},
		{"", "allowPrivilegeEscalation: false, privileged: true", scenario.CauseInvalidManifest},
		{"", "allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}", scenario.CauseInvalidManifest},
		{"", "allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}", ""},
		{"hostUsers: false, hostNetwork: true,", "", scenario.CauseInvalidManifest},
		{sysctl, "", ""},
		{"hostNetwork: true, " + sysctl, "", "sysctl-host-network"},
	} {
		c := parse(t, pod(tc.spec, tc.context)).Containers[0]
		var got scenario.Cause
		if c.Refused != nil {
			got = c.Refused.Cause
		}
		if got != tc.cause {
			t.Errorf("%s %s: refused for %q, want %q", tc.spec, tc.context, got, tc.cause)
		}
	}
}

func TestNotes(t *testing.T) {
	for _, tc := range []struct{ spec, context, note string }{
		{"runtimeClassName: gvisor,", "", "gvisor"},
		{"securityContex: {},", "", `unknown field "spec.securityContex"`},
		{"", "seccompProfile: {type: Localhost, localhostProfile: p.json}", "seccomp profile p.json"},
		{"securityContext: {appArmorProfile: {type: Localhost, localhostProfile: mine}},", "", "apparmor profile mine"},
		{"", "seLinuxOptions: {type: x}", "SELinux"},
	} {
		c := parse(t, pod(tc.spec, tc.context)).Containers[0]
		if !strings.Contains(strings.Join(c.Notes, "\n"), tc.note) {
			t.Errorf("%s %s: notes %q, want %q", tc.spec, tc.context, c.Notes, tc.note)
		}
	}
}

func TestOddities(t *testing.T) {
	for text, want := range map[string]int{
		"":                        0,
		"---\n---\n# nothing\n":   0,
		"{kind: Pod, status: {}}": 0,
		"{kind: Secret}":          0,
		"{kind: List, items: []}": 0,
		"{kind: PodList, items: [{spec: {containers: [{name: a}]}}]}":                                                        1,
		"{apiVersion: batch.volcano.sh/v1, kind: Job, spec: {}}":                                                             0,
		"{kind: Pod, spec: {os: {name: windows}, containers: [{name: a}]}}":                                                  0,
		"x: &c {name: a}\nkind: Pod\nspec:\n  containers:\n  - *c\n  - {<<: *c, name: b}\n":                                  2,
		"{kind: ReplicationController, spec: {template: {spec: {containers: [{name: a}]}}}}":                                 1,
		"{kind: PodTemplate, template: {spec: {containers: [{name: a}]}}}":                                                   1,
		"{kind: Pod, spec: {initContainers: [], containers: null, ephemeralContainers: null}}":                               0,
		"{kind: Pod, spec: {containers: [{name: a, ports: [{containerPort: 99, protocol: SCTP}, {containerPort: 99999}]}]}}": 1,
	} {
		m, err := Parse([]byte(text), "f", containerd)
		if err != nil && text != "{kind: Pod, status: {}}" {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && len(m.Containers) != want {
			t.Errorf("%s: %d containers, want %d", text, len(m.Containers), want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"kind: Pod\nspec: {containers: []}\n---\na: b: c\n":                                               "f: document 2: yaml: line 4",
		"kind: Secret\n---\n- 1\n":                                                                        "f: document 2: line 3: want an object",
		"kind: Secret\n---\n\nspec: 1\n":                                                                  "f: document 2: line 4: an object without a kind",
		"kind: Deployment\nmetadata: {name: d}\nspec: {}":                                                 "f: document 1: line 1: Deployment d has no spec.template",
		"kind: Pod\nmetadata: {name: p}\nspec:\n  hostNetwork: 3":                                         "document 1: line 1: Pod p: json: cannot unmarshal",
		"kind: Pod\nspec: {a: 1, a: 2}":                                                                   "already defined at line 2",
		"kind: List\nitems:\n- kind: Pod\n- 3\n":                                                          "line 4: want an object",
		pod(`securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "x"}]},`, ""): "pod/p/c: sysctl",
	} {
		_, err := Parse([]byte(text), "f", containerd)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\nerror %v, want %q", text, err, want)
		}
	}
}

// TestManyDocuments holds that a large manifest costs no patience.
func TestManyDocuments(t *testing.T) {
	text, err := os.ReadFile("testdata/workloads.yaml")
	if err != nil {
		t.Fatal(err)
	}
	many := bytes.Repeat(append(text, "---\n"...), 1000/6+1)
	start := time.Now()
	m, err := Parse(many, "f", containerd)
	if err != nil || len(m.Containers) != 7*(1000/6+1) {
		t.Fatalf("%v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1,000 documents took %v", took)
	}
}

func BenchmarkManyDocuments(b *testing.B) {
	text, err := os.ReadFile("testdata/workloads.yaml")
	if err != nil {
		b.Fatal(err)
	}
	many := bytes.Repeat(append(text, "---\n"...), 1000/6+1)
	for b.Loop() {
		if _, err := Parse(many, "f", containerd); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/workloads.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(pod("hostUsers: false,", "capabilities: {add: [ALL]}")))
	f.Add([]byte("a: &a [*a]\nkind: Pod\n"))
	f.Add([]byte("kind: List\nitems: &i\n- kind: List\n  items: *i\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data, "f", containerd)
		if err == nil {
			for _, c := range m.Containers {
				if c.Template == nil || c.Where.Path == "" {
					t.Errorf("%+v", c)
				}
			}
		}
	})
}
