package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/capwise/capwise/internal/need"
)

const adminURL = "http://127.0.0.1:2019"

// explanation is what every refusal of port 80 has to say here.
const explanation = "bind: permission denied: port 80 needs CAP_NET_BIND_SERVICE here (net.ipv4.ip_unprivileged_port_start is 1024): " +
	"it is in the bounding set, but %s carries no file capability that permits it; remedy: "

// TestRefusedReload holds that a configuration which cannot be bound is refused
// with the reason, and that the old one goes on as if nothing had happened.
func TestRefusedReload(t *testing.T) {
	n := newNetwork(t)
	p := newPlace(t, n, nobody)
	caddy := ours(t, "")
	s := p.serve(caddy, "run", "--config", p.file("Caddyfile", highPorts))
	before := n.request(t, "GET", adminURL+"/config/", "")

	for _, config := range []string{
		lowPort,
		"http://:80, http://:8080 {\n\trespond ok\n}\n",
		"{\n\tskip_install_trust\n}\nlocalhost:8443 {\n\trespond ok\n}\n", // redirects from 80
	} {
		receipts := len(s.receipts())
		got := n.request(t, "POST", adminURL+"/load", config, "Content-Type: text/caddyfile")
		if want := fmt.Sprintf(explanation, caddy); got.status != http.StatusBadRequest || !strings.Contains(got.body, want) {
			t.Errorf("got %d %s\nwant 400 and %s", got.status, got.body, want)
		}
		if after := n.request(t, "GET", adminURL+"/config/", ""); after.body != before.body {
			t.Errorf("the configuration is now %s", after.body)
		}
		if page := n.request(t, "GET", "http://127.0.0.1:8080/", ""); page.body != "ok" {
			t.Errorf("the old configuration serves %+v", page)
		}
		logged := s.receipts()[receipts:]
		if len(logged) != 1 || logged[0]["level"] != "warn" || logged[0]["cause"] != "no-file-capability" {
			t.Errorf("the log has %v", logged)
		}
	}

	r := decodeReceipt(t, n.request(t, "GET", adminURL+"/capabilities", "").body)
	if want := []listenerAnswer{{Listener: "tcp/:8080", User: "http.servers.srv0", Needs: "free"}}; !r.OK || !cmp.Equal(r.Listeners, want) {
		t.Errorf("/capabilities is not about what runs: %+v", r)
	}
	if got := n.request(t, "POST", adminURL+"/load", "http://:8081 {\n\trespond new\n}\n", "Content-Type: text/caddyfile"); got.status != http.StatusOK {
		t.Errorf("a configuration that can be bound gets %+v", got)
	}
	if page := n.request(t, "GET", "http://127.0.0.1:8081/", ""); page.body != "new" {
		t.Errorf("it serves %+v", page)
	}
}

// TestRefusedStart holds that a start which fails for lack of the capability
// says why, once, however Caddy was started.
func TestRefusedStart(t *testing.T) {
	p := newPlace(t, newNetwork(t), nobody)
	for name, args := range map[string][]string{
		"run":                 {"run", "--config", p.file("on.caddyfile", lowPort)},
		"run, admin off":      {"run", "--config", p.file("off.caddyfile", "{\n\tadmin off\n}\n"+lowPort)},
		"run, admin below":    {"run", "--config", p.file("admin.caddyfile", "{\n\tadmin 127.0.0.1:80\n}\n"+highPorts)},
		"run, HTTP/3 only":    {"run", "--config", p.file("h3.json", http3OnPort80)},
		"run, range of ports": {"run", "--config", p.file("range.json", `{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": [":80-81"]}}}}}`)},
		"file-server":         {"file-server", "--listen", ":80"},
		"respond":             {"respond", "--listen", ":80", "ok"},
		"reverse-proxy":       {"reverse-proxy", "--from", "http://:80", "--to", "127.0.0.1:9000"},
	} {
		t.Run(name, func(t *testing.T) {
			out := p.run(ours(t, ""), args...)
			if out.code != 1 {
				t.Errorf("exit code %d, want 1", out.code)
			}
			explained := 0
			for _, e := range entries(out.stderr) {
				if e["level"] == "error" && strings.Contains(e["msg"].(string), "; remedy: ") {
					explained++
				}
			}
			if explained != 1 || !strings.Contains(unquoted(out.stderr), "port 80 needs CAP_NET_BIND_SERVICE here") {
				t.Errorf("%d explanations, want one:\n%s", explained, out.stderr)
			}
		})
	}
	t.Run("start", func(t *testing.T) {
		out := p.run(ours(t, ""), "start", "--config", p.file("on.caddyfile", lowPort))
		if out.code != 1 || strings.Count(unquoted(out.stderr), fmt.Sprintf(explanation, ours(t, ""))) != 1 {
			t.Errorf("exit code %d\n%s", out.code, out.stderr)
		}
	})
}

const http3OnPort80 = `{"apps": {"http": {"http_port": 79, "servers": {"a": {
	"listen": ["127.0.0.1:80"], "protocols": ["h3"], "automatic_https": {"disable": true}, "tls_connection_policies": [{}]}}}}}`

// TestAsUpstreamBinds starts both programs on the same configurations in the
// same circumstances: what works there works here, and what fails there for
// another reason than the capability fails here with the same error.
func TestAsUpstreamBinds(t *testing.T) {
	const permit = "cap_net_bind_service=p"
	site := func(address, more string) string {
		return "http://" + address + " {\n\t" + more + "\n\trespond ok\n}\n"
	}
	nothing := func(testing.TB, *network) {}
	sysctl := func(name, value string) func(testing.TB, *network) {
		return func(t testing.TB, n *network) { t.Helper(); n.sysctl(t, name, value) }
	}
	held := func(address string) func(testing.TB, *network) {
		return func(t testing.TB, n *network) { t.Helper(); n.listen(t, address) }
	}
	lacksIPv4 := func(t testing.TB, n *network) { t.Helper(); n.withoutIPv4(t) }
	for _, tc := range []struct {
		name, capabilities, config string
		prepare                    func(testing.TB, *network)
		works                      bool
	}{
		{"high port", "", site(":8080", ""), nothing, true},
		{"low port, permitted", permit, site(":80", ""), nothing, true},
		{"low port, sysctl 80", "", site(":80", ""), sysctl("net.ipv4.ip_unprivileged_port_start", "80"), true},
		{"high port, sysctl 9000, permitted", permit, site(":8080", ""), sysctl("net.ipv4.ip_unprivileged_port_start", "9000"), true},
		{"admin on a low port, permitted", permit, "{\n\tadmin 127.0.0.1:99\n}\n" + site(":8080", ""), nothing, true},
		{"admin off, permitted", permit, "{\n\tadmin off\n}\n" + site(":80", ""), nothing, true},
		{"abstract socket", "", site(":80", "bind unix/@capwise-test"), nothing, true},
		{"socket file", "", site(":80", "bind unix/{env.HOME}/http.sock"), nothing, true},
		{"socket file in no directory", "", site(":80", "bind unix//nosuch/http.sock"), nothing, false},
		{"socket file not allowed", "", site(":80", "bind unix//etc/http.sock"), nothing, false},
		{"bind to a name", "", site(":8080", "bind localhost"), nothing, true},
		{"bind to a name, low, permitted", permit, site(":80", "bind localhost"), nothing, true},
		{"bind to no name, low", "", site(":80", "bind nosuch.invalid"), nothing, false},
		{"bind to a strange address, low", "", site(":80", "bind 192.0.2.1"), nothing, false},
		{"port in use", "", site(":8080", ""), held("127.0.0.1:8080"), false},
		{"low port in use, permitted", permit, site(":80", ""), held("127.0.0.1:80"), false},
		{"admin port in use", "", site(":8080", ""), held("127.0.0.1:2019"), false},
		{"IPv6 only", "", "{\n\tadmin [::1]:2019\n}\n" + site(":8080", "bind ::1"), lacksIPv4, true},
		{"IPv6 only, low, permitted", permit, "{\n\tadmin [::1]:2019\n}\n" + site(":80", ""), lacksIPv4, true},
		{"IPv6 only, bound to IPv4, low", "", site(":80", "bind 127.0.0.2"), lacksIPv4, false},
		{"IPv4 only", "", site(":8080", ""), sysctl("net.ipv6.conf.all.disable_ipv6", "1"), true},
		{"IPv4 only, low, permitted", permit, site(":80", ""), sysctl("net.ipv6.conf.all.disable_ipv6", "1"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			results := map[string]string{}
			for _, program := range []string{upstream(t, tc.capabilities), ours(t, tc.capabilities)} {
				n := newNetwork(t)
				tc.prepare(t, n)
				p := newPlace(t, n, nobody)
				s := p.start(program, "run", "--config", p.file("Caddyfile", tc.config))
				results[program] = strings.ReplaceAll(s.started(), p.home, "HOME")
			}
			want, got := results[upstream(t, tc.capabilities)], results[ours(t, tc.capabilities)]
			if got != want || (want == "serves") != tc.works {
				t.Errorf("upstream: %s\nours: %s\nit works: %t", want, got, tc.works)
			}
		})
	}
}

// started waits until the server serves, or has ended, and says which: with
// its exit code and its errors.
func (s *server) started() string {
	s.t.Helper()
	serves := func() bool { return len(s.logged("serving initial configuration")) > 0 }
	for deadline := time.Now().Add(20 * time.Second); !serves(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.ended:
			return s.failure()
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it neither serves nor ends\n%s", s.stderr)
		}
	}
	return "serves"
}

// failure is the exit code and the errors of a server that has ended.
func (s *server) failure() string {
	text := fmt.Sprintf("exit code %d", s.cmd.ProcessState.ExitCode())
	for _, e := range entries(s.stderr.String()) {
		if e["level"] == "error" {
			text += fmt.Sprintf("; %v", e["msg"])
		}
	}
	return text
}

// TestWrongPrediction holds that a prediction refuses nothing by itself: with
// /proc hidden the program cannot know that the port needs no capability.
func TestWrongPrediction(t *testing.T) {
	unshare, mount, setpriv := need.Tool(t, "unshare"), need.Tool(t, "mount"), need.Tool(t, "setpriv")
	n := newNetwork(t)
	n.sysctl(t, "net.ipv4.ip_unprivileged_port_start", "0")
	p := newPlace(t, n, nobody)
	p.user = 0 // for mount; setpriv goes on as nobody
	hidden := mount + ` -t tmpfs none /proc && exec "$0" "$@"`
	s := p.serve(unshare, "-m", "/bin/sh", "-c", hidden, setpriv, "--reuid=65532", "--regid=65532", "--clear-groups",
		ours(t, ""), "run", "--config", p.file("Caddyfile", lowPort))
	if page := n.request(t, "GET", "http://127.0.0.1:80/", ""); page.body != "ok" {
		t.Errorf("it serves %+v", page)
	}
	if r := s.receipts(); len(r) != 1 || r[0]["cause"] == nil {
		t.Errorf("the prediction was right, so this test shows nothing: %v", r)
	}
}

// TestReloadsOntoItself holds that a low port which the running Caddy has bound
// can be bound again by its next configuration.
func TestReloadsOntoItself(t *testing.T) {
	n := newNetwork(t)
	p := newPlace(t, n, nobody)
	s := p.serve(ours(t, "cap_net_bind_service=p"), "run", "--config", p.file("Caddyfile", lowPort))
	for i := range 5 {
		config := fmt.Sprintf("http://:80 {\n\trespond %d\n}\n", i)
		if got := n.request(t, "POST", adminURL+"/load", config, "Content-Type: text/caddyfile"); got.status != http.StatusOK {
			t.Fatalf("reload %d: %+v", i, got)
		}
		s.waitUntil("the new page is served", func() bool {
			return n.request(t, "GET", "http://127.0.0.1:80/", "").body == fmt.Sprint(i)
		})
	}
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != 0 || len(s.receipts()) != 6 {
		t.Errorf("it ended with %d after %d receipts, want 6\n%s", code, len(s.receipts()), s.stderr)
	}
}
