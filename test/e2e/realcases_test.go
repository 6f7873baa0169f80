package e2e

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/netns"
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
	if got := p.ask(t, caddy, 80); got != "real" {
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
