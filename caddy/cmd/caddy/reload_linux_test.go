package main_test

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// page is a site that says its number.
func page(global string, number int) string {
	return fmt.Sprintf("{\n%s\n}\nhttp://127.0.0.1:8080 {\n\trespond %d\n}\n", global, number)
}

// serves waits until the site says the number.
func (s *server) serves(n *network, number int) {
	s.t.Helper()
	s.waitUntil(fmt.Sprintf("it serves page %d", number), func() bool {
		conn, err := n.dial("tcp", "127.0.0.1:8080")
		if err != nil {
			return false
		}
		_ = conn.Close()
		return n.request(s.t, "GET", "http://127.0.0.1:8080/", "").body == strconv.Itoa(number)
	})
}

// reloads are the ways to a new configuration, by name. Each is given the
// place, the running server, and the file with the new configuration.
var reloads = map[string]func(p *place, s *server, program, file string) string{
	"caddy reload": func(p *place, _ *server, program, file string) string {
		out := p.run(program, "reload", "--config", file)
		return fmt.Sprintf("%d %s %q", out.code, out.stdout, messages(out.stderr))
	},
	"SIGUSR1": func(_ *place, s *server, _, _ string) string {
		// Caddy begins to listen to signals some time after it was started.
		const msg = "reloading config from last-known source"
		before, sent := len(s.logged(msg)), time.Time{}
		s.waitUntil("it takes the signal", func() bool {
			if time.Since(sent) > 3*time.Second {
				s.signal(syscall.SIGUSR1)
				sent = time.Now()
			}
			return len(s.logged(msg)) > before
		})
		return ""
	},
	"admin API": func(p *place, _ *server, _, file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			p.t.Fatal(err)
		}
		a := p.network.request(p.t, "POST", adminURL+"/load", string(text), "Content-Type: text/caddyfile")
		return fmt.Sprintf("%d %s", a.status, normal(a.body))
	},
	"--watch": func(*place, *server, string, string) string { return "" },
}

// TestSameReloads reloads both programs in every way: to a good configuration,
// to a broken one, which changes nothing, and to a good one again. Ours logs
// one receipt for each that runs.
func TestSameReloads(t *testing.T) {
	for name, reload := range reloads {
		for _, global := range []string{"", "\tadmin off"} {
			if global != "" && (name == "caddy reload" || name == "admin API") {
				continue
			}
			t.Run(strings.TrimSpace(name+" "+strings.TrimSpace(global)), func(t *testing.T) {
				t.Parallel()
				both(t, func(t *testing.T, program string) []string {
					n := newNetwork(t)
					p := newPlace(t, n, nobody)
					file := p.file("Caddyfile", page(global, 1))
					args := []string{"run", "--config", file}
					if name == "--watch" {
						args = append(args, name)
					}
					s := p.serve(program, args...)
					if name == "--watch" {
						s.waitFor("watching config file for changes") // to what it is now
					}
					if program == ours(t, "") {
						s.hasReceipts(1)
					}
					seen := []string{}
					p.replace(file, page(global, 2))
					seen = append(seen, reload(p, s, program, file))
					s.serves(n, 2)
					if name != "--watch" { // a broken file ends the watching
						p.replace(file, "broken {\n\tnosuch\n}\n")
						seen = append(seen, reload(p, s, program, file))
						if name == "SIGUSR1" {
							s.waitFor("failed to reload config from file")
						}
					}
					p.replace(file, page(global, 3))
					seen = append(seen, reload(p, s, program, file))
					s.serves(n, 3)
					if program == ours(t, "") {
						s.hasReceipts(3)
					}
					s.signal(syscall.SIGTERM)
					seen = append(seen, fmt.Sprintf("exit code %d", s.exit()))
					return append(seen, messages(s.stderr.String())...)
				})
			})
		}
	}
}

// replace gives a file another text, at once.
func (p *place) replace(path, text string) {
	p.t.Helper()
	if err := os.Rename(p.file("next", text), path); err != nil {
		p.t.Fatal(err)
	}
}

// hasReceipts holds that as many receipts were logged: the last of them may
// come a moment after the load, and no more may come.
func (s *server) hasReceipts(want int) {
	s.t.Helper()
	s.waitUntil(fmt.Sprintf("there are %d receipts", want), func() bool { return len(s.receipts()) >= want })
	time.Sleep(50 * time.Millisecond)
	if got := len(s.receipts()); got != want {
		s.t.Errorf("%d receipts, want %d\n%s", got, want, s.stderr)
	}
}

// TestOneReceiptForEachLoad holds it where Caddy asks our module twice, for the
// remote admin endpoint, and where it does not ask it at all.
func TestOneReceiptForEachLoad(t *testing.T) {
	const remote = `{"admin": {"listen": "127.0.0.1:2019",
		"identity": {"identifiers": ["localhost"], "issuers": [{"module": "internal"}]},
		"remote": {"listen": "127.0.0.1:2031"}},
		"apps": {"pki": {"certificate_authorities": {"local": {"install_trust": false}}}%s}}`
	const site = `, "http": {"servers": {"a": {"listen": ["127.0.0.1:8080"]}}}`
	for name, config := range map[string]string{
		"remote, HTTP": fmt.Sprintf(remote, site), "remote, no HTTP": fmt.Sprintf(remote, ""),
		"nothing": `{}`, "no configuration": "",
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			p := newPlace(t, n, 0)
			args := []string{"run"}
			if config != "" {
				args = append(args, "--config", p.file("caddy.json", config))
			}
			s := p.serve(ours(t, ""), args...)
			s.hasReceipts(1)
			for range 2 {
				a := n.request(t, "POST", adminURL+"/load", cmp.Or(config, "{}"), "Content-Type: application/json", "Cache-Control: must-revalidate")
				if a.status != http.StatusOK {
					t.Fatalf("got %+v", a)
				}
			}
			s.hasReceipts(3)
			if config != "" { // the same again is no load
				n.request(t, "POST", adminURL+"/load", config, "Content-Type: application/json")
			}
			s.hasReceipts(3)
		})
	}
	for name, args := range map[string][]string{
		"file-server":   {"file-server", "--listen", "127.0.0.1:8080"},
		"respond":       {"respond", "--listen", "127.0.0.1:8080", "ok"},
		"reverse-proxy": {"reverse-proxy", "--from", "http://127.0.0.1:8080", "--to", "127.0.0.1:9000"},
		"admin off":     {"run", "--config", "off.json"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, newNetwork(t), nobody)
			p.file("off.json", `{"admin": {"disabled": true}}`)
			s := p.start(ours(t, ""), args...)
			s.hasReceipts(1)
			s.signal(syscall.SIGTERM)
			s.exit()
		})
	}
}

// TestReloadBlocked holds that the log explains a refusal that no receipt
// foresees, since Caddy's modules don't learn the admin endpoint's address.
func TestReloadBlocked(t *testing.T) {
	n := newNetwork(t)
	p := newPlace(t, n, nobody)
	s := p.serve(ours(t, ""), "run", "--config", p.file("Caddyfile", page("", 1)))
	a := n.request(t, "POST", adminURL+"/load", page("\tadmin 127.0.0.1:99", 2), "Content-Type: text/caddyfile")
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "listen tcp 127.0.0.1:99: bind: permission denied") {
		t.Errorf("got %+v", a)
	}
	explained := func() int {
		return strings.Count(unquoted(s.stderr.String()), "port 99 needs CAP_NET_BIND_SERVICE here")
	}
	s.waitUntil("it explains", func() bool { return explained() > 0 })
	s.serves(n, 1)
	s.signal(syscall.SIGTERM)
	if s.exit(); explained() != 1 {
		t.Errorf("%d explanations\n%s", explained(), s.stderr)
	}
}

// TestSameResume holds that "run --resume" goes on with the last configuration.
func TestSameResume(t *testing.T) {
	both(t, func(t *testing.T, program string) []string {
		n := newNetwork(t)
		p := newPlace(t, n, nobody)
		s := p.serve(program, "run", "--config", p.file("Caddyfile", page("", 1)))
		n.request(t, "POST", adminURL+"/load", page("", 2), "Content-Type: text/caddyfile")
		s.signal(syscall.SIGTERM)
		seen := []string{fmt.Sprint(s.exit())}
		s = p.serve(program, "run", "--resume", "--config", filepath.Join(p.home, "Caddyfile"))
		s.serves(n, 2)
		return append(seen, openSockets(t, s.cmd.Process.Pid)...)
	})
}

// TestSameStartStop holds that "start" waits for the server, and "stop" ends it.
func TestSameStartStop(t *testing.T) {
	both(t, func(t *testing.T, program string) []string {
		n := newNetwork(t)
		p := newPlace(t, n, nobody)
		pidfile := filepath.Join(p.home, "caddy.pid")
		out := p.run(program, "start", "--config", p.file("Caddyfile", page("", 1)), "--pidfile", pidfile)
		pid := startedPID(t, out.stdout, program)
		seen := []string{fmt.Sprintf("%d %s", out.code, normal(out.stdout)), n.request(t, "GET", "http://127.0.0.1:8080/", "").body}
		seen = append(seen, messages(out.stderr)...)
		for range 2 {
			out = p.run(program, "stop")
			seen = append(seen, fmt.Sprintf("%d %s", out.code, normal(out.stdout)))
			seen = append(seen, messages(out.stderr)...)
			waitGone(t, pid, program)
		}
		if _, err := os.Stat(pidfile); !os.IsNotExist(err) {
			seen = append(seen, "leaves its pidfile")
		}
		return seen
	})
}

// startedPID reads the id of the process that "start" left behind, and sees to
// its end.
func startedPID(t *testing.T, stdout, program string) int {
	t.Helper()
	match := regexp.MustCompile(`pid=(\d+)`).FindStringSubmatch(stdout)
	if match == nil {
		t.Fatalf("no process id in %q", stdout)
	}
	pid, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if runs(pid, program) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return pid
}

// runs reports whether the process runs the program.
func runs(pid int, program string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && exe == program
}

func waitGone(t *testing.T, pid int, program string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runs(pid, program); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not end", pid)
		}
	}
}
