package capabilities

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/google/go-cmp/cmp"
)

func init() {
	caddy.RegisterNetwork("tcpx", func(context.Context, string, string, string, uint, net.ListenConfig) (any, error) {
		return nil, errors.New("not for listening")
	})
}

// wanted are the listeners of the configurations in testdata. That the kernel
// sees the same ones is shown in ../cmd/caddy, where they are started.
var wanted = map[string][]string{
	"admin_low.caddyfile":       {"admin tcp/127.0.0.1:99", "srv0 tcp/:8080"},
	"admin_off.caddyfile":       {"srv0 tcp/:8080"},
	"admin_placeholder.json":    {"admin tcp/127.0.0.1:2020"},
	"admin_remote.json":         {"admin.remote tcp/127.0.0.1:2031"},
	"admin_remote_default.json": {"admin tcp/localhost:2019", "admin.remote tcp/:2021"},
	"admin_unix.caddyfile":      {"admin unix/HOME/admin.sock"},
	"automatic_https.caddyfile": {
		"admin tcp/localhost:2019", "remaining_auto_https_redirects tcp/:80",
		"srv0 tcp/:443", "srv0 udp/:443",
	},
	"bind.caddyfile": {
		"admin tcp/localhost:2019",
		"remaining_auto_https_redirects tcp/127.0.0.1:80", "remaining_auto_https_redirects tcp/[::1]:80",
		"srv0 tcp/127.0.0.1:8443", "srv0 tcp/[::1]:8443", "srv0 udp/127.0.0.1:8443", "srv0 udp/[::1]:8443",
		"srv1 tcp/localhost:8080",
		"srv2 tcp4/0.0.0.0:8081", "srv2 tcp6/[::1]:8081",
	},
	"descriptor.json":      {"admin tcp/localhost:2019", "inherited fd/3"},
	"http1.caddyfile":      {"admin tcp/localhost:2019", "remaining_auto_https_redirects tcp/:80", "srv0 tcp/:443"},
	"http3_only.caddyfile": {"admin tcp/localhost:2019", "remaining_auto_https_redirects tcp/:80", "srv0 udp/:443"},
	"http_only.caddyfile":  {"admin tcp/localhost:2019", "srv0 tcp/:80", "srv1 tcp/:8080"},
	"listen_protocols.json": {
		"admin tcp/localhost:2019", "plain tcp4/:8080", "plain tcp6/[::1]:8080",
		"tls tcp/127.0.0.1:8443", "tls tcp/127.0.0.1:8444", "tls tcp/127.0.0.1:8445",
		"tls udp/127.0.0.1:8444", "tls udp/127.0.0.1:8446",
	},
	"no_redirects.caddyfile": {
		"admin tcp/localhost:2019", "srv0 tcp/:443", "srv0 udp/:443", "srv1 tcp/:8443", "srv1 udp/:8443",
	},
	"nothing.json": {"admin tcp/localhost:2019"},
	"other_ports.caddyfile": {
		"admin tcp/localhost:2019", "remaining_auto_https_redirects tcp/:8080", "srv0 tcp/:8443", "srv0 udp/:8443",
	},
	"protocols_of_bind.caddyfile": {"admin tcp/localhost:2019", "srv0 tcp/127.0.0.1:443", "srv0 udp/[::1]:443"},
	"range.json": {
		"admin tcp/localhost:2019",
		"across tcp/:8080", "across tcp/:8081", "across tcp/:8082-8083", "across udp/:8080", "across udp/:8082-8083",
		"any tcp/127.0.0.1:0",
		"plain tcp/127.0.0.1:9000-9002",
	},
	"unix.caddyfile": {"admin tcp/localhost:2019", "srv0 unix/HOME/http.sock|0222", "srv0 unix/@capwise-test"},
}

// TestMain keeps what Caddy stores, such as its internal CA, out of the home
// directory of whoever runs the tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "capwise-caddy-")
	if err != nil {
		panic(err)
	}
	caddy.DefaultStorage.Path = dir
	caddy.ConfigAutosavePath = filepath.Join(dir, "autosave.json")
	caddy.DefaultAdminListen = "localhost:2019" // whatever CADDY_ADMIN says here
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func TestListeners(t *testing.T) {
	t.Setenv("CAPWISE_TEST_PORT", "2020")
	t.Setenv("HOME", "/HOME")
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) != len(wanted) {
		t.Fatalf("%d files, %d expectations: %v", len(files), len(wanted), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			listeners, err := configListeners(adapt(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wanted[filepath.Base(file)], shown(listeners)); diff != "" {
				t.Errorf("wanted -, got +\n%s", diff)
			}
		})
	}
}

// shown returns the listeners with their users, in short.
func shown(listeners []listener) []string {
	var out []string
	for _, l := range listeners {
		line := strings.TrimPrefix(l.user, "http.servers.") + " " + l.String()
		out = append(out, strings.Replace(line, "//HOME/", "/HOME/", 1))
	}
	return out
}

// adapt reads a configuration file as JSON.
func adapt(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) == ".json" {
		return text
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
	if err != nil {
		t.Fatal(err)
	}
	return adapted
}

// TestNoListeners holds that a configuration which Caddy would refuse is
// refused here too, before anything is said about its listeners.
func TestNoListeners(t *testing.T) {
	for config, says := range map[string]string{
		`{"admin": {"listen": "localhost:2019-2020"}}`:               "more than one address",
		`{"admin": {"listen": "localhost:high"}}`:                    "invalid start port",
		`{"admin": {"listen": "{unknown}:2019"}}`:                    "unrecognized placeholder {unknown}",
		`{"admin": {"remote": {"listen": "localhost:2019-2020"}}}`:   "more than one address",
		`{"apps": {"http": {"servers": {"a": {"listen": [":x"]}}}}}`: "invalid start port",
		`{"apps": {"nosuch": {}}}`:                                   "unknown module: nosuch",
		`{"nosuch": 1}`:                                              `unknown field "nosuch"`,
		`[]`:                                                         "cannot unmarshal",
	} {
		listeners, err := configListeners([]byte(config))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, %v; want an error with %q", config, shown(listeners), err, says)
		}
	}
}

func TestDefaultAdminAddress(t *testing.T) {
	was := caddy.DefaultAdminListen
	t.Cleanup(func() { caddy.DefaultAdminListen = was })
	caddy.DefaultAdminListen = "127.0.0.1:2222" // as CADDY_ADMIN does when Caddy starts
	for _, config := range []string{`{}`, `null`, `{"admin": {}}`} {
		listeners, err := configListeners([]byte(config))
		if diff := cmp.Diff([]string{"admin tcp/127.0.0.1:2222"}, shown(listeners)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", config, err, diff)
		}
	}
}

// TestLowestPort holds which port of a range is asked about.
func TestLowestPort(t *testing.T) {
	for text, want := range map[string]int{
		"tcp/:80": 80, "tcp/:80-90": 80, "udp/:443": 443,
		"tcp/:0":    0, // the kernel chooses one that needs nothing
		"tcp/:0-90": 1,
	} {
		addr, err := caddy.ParseNetworkAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := (listener{"", addr}).port(); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}
