package main_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// receipt is the JSON of "caddy capabilities" and of the admin API.
type receipt struct {
	OK        bool             `json:"ok"`
	Listeners []listenerAnswer `json:"listeners"`
}

type listenerAnswer struct {
	Listener string `json:"listener"`
	User     string `json:"user"`
	Needs    string `json:"needs"`
	Cause    string `json:"cause"`
	Remedy   string `json:"remedy"`
}

func decodeReceipt(t testing.TB, text string) receipt {
	t.Helper()
	var r receipt
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return r
}

// TestListenersAreTheKernels starts every configuration for real: what the
// command predicts is what the kernel then has open, no less and no more.
func TestListenersAreTheKernels(t *testing.T) {
	files, err := filepath.Glob("../../capabilities/testdata/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p := newPlace(t, newNetwork(t), 0)
			p.env = append(p.env, "XDG_DATA_HOME="+p.home) // also where the internal CA lives
			p.inherit("127.0.0.1:9999")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config := p.file(filepath.Base(file), string(text))
			told := p.run(ours(t, ""), "capabilities", "--config", config, "--format", "json")
			if told.code != 0 {
				t.Fatalf("exit code %d\n%s", told.code, told.stderr)
			}
			predicted := expand(t, decodeReceipt(t, told.stdout).Listeners)
			s := p.serve(ours(t, ""), "run", "--config", config)
			open := openSockets(t, s.cmd.Process.Pid)
			if !slices.Contains(predicted, "tcp 127.0.0.1:9999") { // only inherited
				open = slices.DeleteFunc(open, func(s string) bool { return s == "tcp 127.0.0.1:9999" })
			}
			if diff := cmp.Diff(open, settle(predicted, open)); diff != "" {
				t.Errorf("kernel -, predicted +\n%s", diff)
			}
			s.waitFor("capability receipt") // comes a moment later with the admin endpoint off
			s.signal(syscall.SIGTERM)
			if code := s.exit(); code != 0 && !killedEarly(s) {
				t.Errorf("it ended with %d", code)
			}
			if n := len(s.receipts()); n != 1 {
				t.Errorf("%d receipts for one load\n%s", n, s.stderr)
			}
		})
	}
}

// killedEarly is whether SIGTERM ended the server as if nobody had asked for it:
// Caddy asks in a goroutine, which may not have run where there is little to load.
func killedEarly(s *server) bool {
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

// inherit gives the place's programs a listening socket as descriptor 3.
func (p *place) inherit(address string) {
	p.t.Helper()
	ln := p.network.listen(p.t, address)
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		p.t.Fatal(err)
	}
	_ = ln.Close() // the file keeps the socket
	p.t.Cleanup(func() { _ = file.Close() })
	p.files = []*os.File{file}
}

// expand turns listeners into the words of openSockets.
func expand(t testing.TB, listeners []listenerAnswer) []string {
	t.Helper()
	var all []string
	for _, l := range listeners {
		network, rest, _ := strings.Cut(l.Listener, "/")
		switch network {
		case "unix":
			rest, _, _ = strings.Cut(rest, "|")
			all = append(all, "unix "+rest)
			continue
		case "fd":
			network, rest = "tcp", "127.0.0.1:9999"
		}
		host, ports, err := net.SplitHostPort(rest)
		if err != nil {
			t.Fatal(err)
		}
		if host == "localhost" { // package net takes the first IPv4 address of a name
			host = "127.0.0.1"
		}
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		for port := from; port <= to; port++ {
			all = append(all, network[:3]+" "+endpoint(host, port))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// settle replaces a predicted port 0 by the one that the kernel chose.
func settle(predicted, open []string) []string {
	out := slices.Clone(predicted)
	for i, p := range out {
		if base, any := strings.CutSuffix(p, ":0"); any {
			for _, o := range open {
				if strings.HasPrefix(o, base+":") && !slices.Contains(predicted, o) {
					out[i] = o
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
