package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/oci"
)

var given = capset.Of(capset.AuditWrite, capset.Kill, capset.NetBindService)

// TestRuncSpec reads what "runc spec" of runc 1.1.5 writes.
func TestRuncSpec(t *testing.T) {
	s, root := load(t, "testdata/runc-spec.json")
	want := cred.Sets{Bounding: given, Permitted: given, Effective: given, Ambient: 0}
	if got := *s.Settings.Given; got.Bounding != want.Bounding || got.Permitted != want.Permitted || got.Effective != want.Effective {
		t.Errorf("sets are %+v", got)
	}
	if set := s.Settings; set.UID != 0 || !set.NoNewPrivs || set.UserNamespace || set.Network != scenario.NetworkPrivate || set.PortStart != scenario.Unset {
		t.Errorf("settings are %+v", set)
	}
	if root != "rootfs" || s.Request.Args[0] != "sh" || !strings.HasPrefix(s.Request.Path, "/usr/local/sbin:") {
		t.Errorf("root %q, request %+v", root, s.Request)
	}
	if s, _ = load(t, "testdata/runc-spec-rootless.json"); !s.Settings.UserNamespace || s.Settings.Network != scenario.NetworkHost {
		t.Errorf("rootless: %+v", s.Settings)
	}
}

func load(t *testing.T, file string) (scenario.Start, string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, root, err := oci.Parse(data, file)
	if err != nil {
		t.Fatal(err)
	}
	return s, root
}

func TestParse(t *testing.T) {
	s, _, err := oci.Parse([]byte(`{"ociVersion": "1.0.2", "process": {"args": ["caddy"], "user": {"uid": 65532, "gid": 1, "additionalGids": [5]},
		"capabilities": {"bounding": ["CAP_NET_BIND_SERVICE"], "permitted": ["CAP_NET_BIND_SERVICE"], "inheritable": ["CAP_NET_BIND_SERVICE"],
		"ambient": ["CAP_NET_BIND_SERVICE", "CAP_KILL"]}}, "linux": {"namespaces": [{"type": "network"}, {"type": "user"}],
		"sysctl": {"net.ipv4.ip_unprivileged_port_start": "80"}, "seccomp": {}}}`), "bundle/config.json")
	if err != nil {
		t.Fatal(err)
	}
	bind := capset.Of(capset.NetBindService)
	if got := *s.Settings.Given; got != (cred.Sets{Bounding: bind, Permitted: bind, Inheritable: bind, Ambient: bind}) {
		t.Errorf("sets are %+v", got)
	}
	if set := s.Settings; set.UID != 65532 || set.GID != 1 || len(set.Groups) != 1 || set.PortStart != 80 || !set.UserNamespace || s.Name != "bundle" || len(s.Notes) != 1 {
		t.Errorf("got %+v", s)
	}
	// Without the field, nothing.
	if s, _, err = oci.Parse([]byte(`{"ociVersion": "1.0.2", "process": {"args": ["caddy"]}}`), "config.json"); err != nil || *s.Settings.Given != (cred.Sets{}) || s.Name != "caddy" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestErrors(t *testing.T) {
	for text, says := range map[string]string{
		`{`:                     "unexpected end of JSON",
		`{"ociVersion": "1.0"}`: "no process",
		`{"ociVersion": "1.0", "process": {"user": {"uid": -1}}}`:                                                   "uid",
		`{"ociVersion": "1.0", "process": {"capabilities": {"ambient": ["CAP_BIND"]}}}`:                             `process.capabilities.ambient: unknown capability "CAP_BIND"`,
		`{"ociVersion": "1.0", "process": {}, "linux": {"sysctl": {"net.ipv4.ip_unprivileged_port_start": "low"}}}`: `linux.sysctl: net.ipv4.ip_unprivileged_port_start: "low"`,
	} {
		if s, _, err := oci.Parse([]byte(text), "config.json"); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "config.json: ") {
			t.Errorf("%s: got %+v, %v; want an error with %q", text, s, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"runc-spec.json", "runc-spec-rootless.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, _, err := oci.Parse(text, "config.json"); err != nil && !strings.HasPrefix(err.Error(), "config.json: ") {
			t.Errorf("%v does not name the file", err)
		}
	})
}
