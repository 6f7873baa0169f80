package compose_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/scenario"
)

func load(t *testing.T, profiles []string, files ...string) map[string]scenario.Start {
	t.Helper()
	for i := range files {
		files[i] = filepath.Join("testdata", files[i])
	}
	starts, err := compose.Options{Profiles: profiles, Runtime: scenario.Runtime{Name: scenario.Docker}}.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]scenario.Start{}
	for _, s := range starts {
		out[s.Name] = s
	}
	return out
}

const bind = capset.Set(1 << capset.NetBindService)

func TestLoad(t *testing.T) {
	starts := load(t, nil, "compose.yaml")
	if len(starts) != 4 {
		t.Errorf("%d services, want 4: that of the profile is not one of them", len(starts))
	}
	web := starts["web"]
	if s := web.Settings; s.Granted != 0 || !s.NoNewPrivs || s.PortStart != scenario.Unset || s.Network != scenario.NetworkPrivate {
		t.Errorf("web: %+v", s)
	}
	if web.Request.Image != "caddy:2" || web.Request.User != "65532:65532" {
		t.Errorf("web asks for %+v", web.Request)
	}
	if w := web.Where; w.Line != 8 || filepath.Base(w.File) != "compose.yaml" || w.Path != "services.web" {
		t.Errorf("web is at %+v", w)
	}
	if got := listens(web); got != "tcp :8080, udp :443" {
		t.Errorf("web listens on %s", got)
	}
	said := 0
	for _, s := range starts {
		if strings.Contains(strings.Join(s.Notes, "\n"), "without a value here: TAG") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("the variables without a value are said %d times, want once", said)
	}
	if dns := starts["dns"]; dns.Settings.Granted != bind || dns.Settings.PortStart != 53 || dns.Request.Image != "coredns" || listens(dns) != "udp :53, tcp :9153" {
		t.Errorf("dns: %+v", dns)
	}
	proxy := starts["proxy"]
	if proxy.Settings.Network != scenario.NetworkHost || proxy.Refused == nil || proxy.Refused.Cause != scenario.CauseSysctlHostNetwork ||
		!slices.Equal(proxy.Request.Entrypoint, []string{"/entry", "--fast"}) || len(proxy.Notes) != 1 {
		t.Errorf("proxy: %+v", proxy)
	}
	if s := starts["sidecar"]; s.Settings.Network != scenario.NetworkJoined || !s.Request.Init || strings.Join(s.Request.Args, " ") != "run --port 80" {
		t.Errorf("sidecar: %+v", s)
	}
}

func TestMergeAndProfiles(t *testing.T) {
	starts := load(t, []string{"debug"}, "compose.yaml", "override.yaml")
	if debug, ok := starts["debug"]; !ok || debug.Settings.Granted != capset.All || debug.Settings.UserNamespace {
		t.Errorf("debug: %+v", debug)
	}
	web := starts["web"]
	if web.Settings.Granted != bind || web.Request.User != "root" || filepath.Base(web.Where.File) != "override.yaml" || web.Where.Line != 2 {
		t.Errorf("web: %+v", web)
	}
}

func listens(s scenario.Start) string {
	var out []string
	for _, l := range s.Listens {
		out = append(out, l.String())
	}
	return strings.Join(out, ", ")
}

// TestErrors holds that an error names the file, and the service.
func TestErrors(t *testing.T) {
	for text, says := range map[string]string{
		"services: {a: {image: x, cap_add: [NET_BIND]}}":                   `service a: --cap-add=NET_BIND: unknown capability "NET_BIND"`,
		"services: {a: {image: x, security_opt: ['no-new-privileges:x']}}": `service a: security option "no-new-privileges:x"`,
		"services: {a: {image: x, cap_add: 7}}":                            "cap_add",
		"services: {a: {extends: {service: b}}}":                           "b",
		"services: {}":                                                     "no services",
		"services: [":                                                      "yaml",
	} {
		file := filepath.Join(t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		starts, err := compose.Options{}.Load([]string{file})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "compose.yaml") {
			t.Errorf("%s: got %+v, %v; want an error with %q", text, starts, err, says)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"compose.yaml", "base.yaml", "override.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (compose.Options{}).Load([]string{file}); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}
