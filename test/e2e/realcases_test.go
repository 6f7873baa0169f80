package e2e

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// realCase is a program that people run, with the capabilities that they give it.
type realCase struct {
	name, file string
	verdict    string   // of capwise scan
	fixed      string   // what the file carries once fixed
	start      []string // arguments that show that it starts
	says       string   // part of what it says then
	needs      []string // capabilities for its job
	job        job
}

// job is what a program needs its capabilities for: a command that does it and
// ends, or a server that is asked.
type job struct {
	command []string
	says    string
	ask     func(*testing.T, *running)
}

const ptpHelper = "/usr/lib/x86_64-linux-gnu/gstreamer1.0/gstreamer-1.0/gst-ptp-helper"

var (
	raw  = []string{"NET_RAW"}
	bind = []string{engine.NetBindService}
)

var realCases = []realCase{
	{
		name: "ping", file: "/usr/bin/ping", verdict: "aware-but-effective", fixed: "cap_net_raw=p",
		start: []string{"-V"}, says: "ping from iputils", needs: raw,
		job: job{command: []string{"/usr/bin/ping", "-c1", "127.0.0.1"}, says: "1 received"},
	},
	{
		name: "fping", file: "/usr/bin/fping", verdict: "dumb", fixed: "cap_net_raw=p",
		start: []string{"-v"}, says: "fping: Version", needs: raw,
		job: job{command: []string{"/usr/bin/fping", "-c1", "127.0.0.1"}, says: "1/1/0%"},
	},
	{
		// It has no option that only shows that it starts, and says itself what it lacks.
		name: "mtr-packet", file: "/usr/bin/mtr-packet", verdict: "dumb", fixed: "cap_net_raw=p",
		says: "mtr-packet: Failure to open IPv4 sockets: Permission denied", needs: raw,
		job: job{command: []string{"/usr/bin/mtr", "--report", "-c1", "-n", "127.0.0.1"}, says: "1.|-- 127.0.0.1                  0.0%"},
	},
	{
		name: "gst-ptp-helper", file: ptpHelper, verdict: "dumb", fixed: "cap_net_bind_service,cap_net_admin=p",
		start: []string{"-i", "lo"}, says: "Couldn't bind event socket: Error binding to address 0.0.0.0:319: Permission denied",
		needs: []string{engine.NetBindService, "NET_ADMIN"},
		job:   job{command: []string{ptpHelper, "-v", "-i", "lo"}, says: "EOF on stdin"}, // with ports 319 and 320 bound
	},
	{
		name: "dumpcap", file: "/usr/bin/dumpcap", verdict: "dumb", fixed: "cap_net_admin,cap_net_raw=p",
		start: []string{"-v"}, says: "Dumpcap (Wireshark)", needs: []string{"NET_RAW", "NET_ADMIN"},
		job: job{
			command: []string{"/bin/sh", "-c", `dumpcap -i lo -c 1 -w /tmp/captured & while kill -0 $! 2>/dev/null; do ping -c1 127.0.0.1 >/tmp/ping; done; wait $!`},
			says:    "Packets captured: 1",
		},
	},
	{
		name: "Caddy 2.11.7", file: "/usr/bin/caddy-2.11.7", verdict: "dumb", fixed: permitted,
		start: []string{"version"}, says: "v2.11.7", needs: bind,
		job: job{command: []string{"/usr/bin/caddy-2.11.7", "respond", "--listen=:80", "real"}, ask: askHTTP},
	},
	{
		name: "Caddy 2.11.9", file: "/usr/bin/caddy-2.11.9", verdict: "aware-but-effective", fixed: permitted,
		start: []string{"version"}, says: "v2.11.9", needs: bind,
		job: job{command: []string{"/usr/bin/caddy-2.11.9", "respond", "--listen=:80", "real"}, ask: askHTTP},
	},
	{
		name: "CoreDNS", file: "/usr/bin/coredns", verdict: "dumb", fixed: permitted,
		start: []string{"-version"}, says: "CoreDNS-1.15.0", needs: bind,
		job: job{command: []string{"/usr/bin/coredns", "-conf", "$DIR/Corefile"}, ask: askDNS},
	},
	{
		name: "nginx", file: "/usr/sbin/nginx", verdict: "dumb", fixed: permitted,
		start: []string{"-v"}, says: "nginx version: nginx/", needs: bind,
		job: job{command: []string{"/usr/sbin/nginx", "-c", "$DIR/nginx.conf"}, ask: askHTTP},
	},
}

// What the servers read.
var realConfigs = map[string]string{
	"Corefile": ".:53 {\n\thosts {\n\t\t192.0.2.7 real.example\n\t}\n}\n",
	"nginx.conf": `daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path /tmp/body;
	proxy_temp_path /tmp/proxy;
	fastcgi_temp_path /tmp/fastcgi;
	uwsgi_temp_path /tmp/uwsgi;
	scgi_temp_path /tmp/scgi;
	server {
		listen 80;
		return 200 real;
	}
}
`,
}

func askHTTP(t *testing.T, p *running) {
	if got := p.get(t, 80); got != "real" {
		t.Errorf("served %q", got)
	}
}

func askDNS(t *testing.T, p *running) {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, err := p.runtime.NetNS(p.name)
		if err != nil {
			return nil, err
		}
		return netns.Dial(ctx, path, "tcp", "127.0.0.1:53")
	}}
	var got []string
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got, err = resolver.LookupHost(t.Context(), "real.example."); err == nil {
			break
		}
	}
	if err != nil || !slices.Equal(got, []string{"192.0.2.7"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The image, as it is, as "capwise fix" leaves it, and with everything as
// permitted, whoever needs more.
var (
	realBefore = sync.OnceValues(func() (*program.Program, error) { return realImage("real-before") })
	realAfter  = sync.OnceValues(func() (*program.Program, error) { return fixedImage("real-after") })
	realOnly   = sync.OnceValues(func() (*program.Program, error) { return fixedImage("real-permitted", "--mode=permitted") })
)

func realLayers() []string {
	return []string{artifact("", "../../.cache/realcases/debian.tar"), artifact("", "../../.cache/realcases/programs.tar")}
}

func realImage(name string) (*program.Program, error) {
	dir := filepath.Join(stateDir("programs"), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return program.FromLayers(dir, name, realLayers()...)
}

func fixedImage(name string, flags ...string) (*program.Program, error) {
	p, err := realImage(name)
	if err != nil {
		return nil, err
	}
	f, err := fixAsNobody(p, flags...)
	if err != nil {
		return nil, err
	}
	return f.Program, os.Remove(f.before)
}

// TestRealCases starts each program as it comes and fixed, with everything
// dropped, and has it do its job with what it needs granted.
func TestRealCases(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			for _, c := range realCases {
				c.test(t, r, "as it comes, dropped: dies", realBefore, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
					s := c.run(t, r, p, append([]string{c.file}, c.start...))
					if s.wait(t) == 0 {
						t.Error("it starts")
					}
					s.diedAtExec(t)
				})
				c.test(t, r, "fixed, dropped: starts", realAfter, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
					s := c.run(t, r, p, append([]string{c.file}, c.start...))
					s.wait(t)
					s.said(t, c.says)
				})
				c.test(t, r, "fixed, granted: does its job", realAfter, c.works)
			}
		})
	}
}

// TestRealVerdicts holds what scan says about each program, and that it is true:
// with its capabilities as permitted and granted, it does its job if, and only
// if, it is aware.
func TestRealVerdicts(t *testing.T) {
	need(t, append([]string{"root", capwiseBinary()}, realLayers()...)...)
	before, after := scanned(t, get(t, realBefore)), scanned(t, get(t, realAfter))
	for _, c := range realCases {
		if got := before[c.file].Verdict; got != c.verdict {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.verdict, before[c.file].Evidence)
		}
		if got := after[c.file]; got.Verdict != "aware" || got.Capabilities != c.fixed {
			t.Errorf("%s, fixed: %+v, want aware and %s", c.name, got, c.fixed)
		}
		c.test(t, docker, "permitted, granted: does its job if aware", realOnly, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
			if c.verdict != "dumb" {
				c.works(t, r, p)
				return
			}
			s := c.run(t, r, p, c.job.command, c.needs...)
			if code := s.wait(t); code == 0 {
				t.Error("it does its job, and is not dumb")
			}
		})
	}
	if len(before) != len(realCases) || len(after) != len(realCases) {
		t.Errorf("%d files carry capabilities, then %d; want %d: %v", len(before), len(after), len(realCases), after)
	}
}

func (c realCase) test(t *testing.T, r *runtimeUnderTest, what string, image func() (*program.Program, error), f func(*testing.T, *runtimeUnderTest, *program.Program)) {
	t.Helper()
	t.Run(c.name+"/"+what, func(t *testing.T) {
		results.report(t, c.name+" "+what, r.Name())
		need(t, append(append([]string{"root", capwiseBinary()}, realLayers()...), r.needs...)...)
		f(t, r, get(t, image))
	})
}

// works checks that the program does its job with what it needs.
func (c realCase) works(t *testing.T, r *runtimeUnderTest, p *program.Program) {
	s := c.run(t, r, p, c.job.command, c.needs...)
	if c.job.ask != nil {
		c.job.ask(t, s)
		return
	}
	if code := s.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.said(t, c.job.says)
}

// run starts a command in the image as a user who is nobody, where neither ports
// nor ping are for everybody.
func (c realCase) run(t *testing.T, r *runtimeUnderTest, p *program.Program, command []string, granted ...string) *running {
	t.Helper()
	spec := engine.Spec{
		Program: p, User: "65532", Add: granted, PortStart: 1024,
		Extra: []string{"--sysctl=net.ipv4.ping_group_range=1 0"},
	}
	if c.job.ask != nil && len(granted) > 0 {
		spec.Config = configDir(t, "")
		for name, text := range realConfigs {
			if err := os.WriteFile(filepath.Join(spec.Config, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, arg := range command {
		spec.Command = append(spec.Command, strings.ReplaceAll(arg, "$DIR", spec.Config))
	}
	return r.begin(t, spec)
}

// said checks for a part of what it has said.
func (r *running) said(t *testing.T, part string) {
	t.Helper()
	if all := r.stdout.String() + r.stderr.String(); !strings.Contains(all, part) {
		t.Errorf("no %q in %q", part, all)
	}
}

// finding is what the test reads of a finding.
type finding struct{ Path, Capabilities, Verdict, Evidence string }

// scanned is what capwise scan finds in an image.
func scanned(t *testing.T, p *program.Program) map[string]finding {
	t.Helper()
	out, err := exec.Command(capwiseBinary(), "scan", "--format=json", "docker-archive:"+p.Archive).Output()
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	found := map[string]finding{}
	for _, f := range report.Findings {
		found[f.Path] = f
	}
	return found
}
