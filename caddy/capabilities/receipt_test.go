package capabilities

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
)

// facts are those of an unprivileged process on a plain host.
func facts(permitted, effective capset.Set) diagnose.Facts {
	return diagnose.Facts{
		PortStart: 1024, UID: 65532, Permitted: permitted, Effective: effective, Bounding: permitted,
		Executable: "/usr/bin/caddy", NetworkOwner: diagnose.OwnerSelf, Environment: diagnose.PlainHost,
	}
}

func parse(t *testing.T, texts ...string) []listener {
	t.Helper()
	var out []listener
	for _, text := range texts {
		addr, err := caddy.ParseNetworkAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, listener{"http.servers.srv0", addr})
	}
	return out
}

// TestNeeds holds what is said of each kind of network: nothing about those
// of plugins, even where their names begin like Caddy's own.
func TestNeeds(t *testing.T) {
	texts := []string{
		"tcp/:80", "udp6/[::]:443", "tcp/:8080", "tcp/:1023-1025", "tcp/:0", "unix//run/caddy.sock", "unix/@caddy",
		"fd/3", "fdgram/4", "tcpx/:80", "udpx/:80",
	}
	for _, tc := range []struct {
		name  string
		facts diagnose.Facts
		ok    bool
		want  string
	}{
		{"nothing permitted", facts(0, 0), false, "fail fail free fail free free free free free unknown unknown"},
		{"permitted", facts(bind, 0), true, "raise raise free raise free free free free free unknown unknown"},
		{"effective", facts(bind, bind), true, "held held free held free free free free free unknown unknown"},
	} {
		r := newReceipt(tc.facts, parse(t, texts...))
		var got []string
		for _, l := range r.Listeners {
			got = append(got, string(l.Needs))
		}
		if s := strings.Join(got, " "); s != tc.want || r.OK != tc.ok {
			t.Errorf("%s: got %s, ok %t\nwant %s, ok %t", tc.name, s, r.OK, tc.want, tc.ok)
		}
	}
}

var bind = capset.Of(capset.NetBindService)

func TestText(t *testing.T) {
	got := newReceipt(facts(0, 0), parse(t, "tcp/:80", "tcp/:8080", "unix//run/caddy.sock", "tcpx/:80")).text()
	const needs = "port 80 needs CAP_NET_BIND_SERVICE here (net.ipv4.ip_unprivileged_port_start is 1024), and CAP_NET_BIND_SERVICE is not in the bounding set"
	const remedy = "sudo setcap cap_net_bind_service=p /usr/bin/caddy, and start it from where CAP_NET_BIND_SERVICE is still in the bounding set"
	want := "" +
		"FAIL  tcp/:80               http.servers.srv0  " + needs + "; remedy: " + remedy + "\n" +
		"ok    tcp/:8080             http.servers.srv0  port 8080 needs no capability\n" +
		"ok    unix//run/caddy.sock  http.servers.srv0  needs no capability\n" +
		"?     tcpx/:80              http.servers.srv0  a plugin provides this network: what it needs is not known\n" +
		"permitted: nothing; net.ipv4.ip_unprivileged_port_start: 1024\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted -, got +\n%s", diff)
	}
	got = newReceipt(facts(bind, 0), nil).text()
	if want := "permitted: CAP_NET_BIND_SERVICE; net.ipv4.ip_unprivileged_port_start: 1024\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	var got map[string]any
	encoded, err := json.Marshal(newReceipt(facts(0, 0), parse(t, "tcp/:80", "tcp/:8080", "tcpx/:80")))
	if err == nil {
		err = json.Unmarshal(encoded, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	fails, ok := got["listeners"].([]any)[0].(map[string]any)
	if !ok || fails["reason"] == "" || fails["remedy"] == "" {
		t.Fatalf("the answer for port 80 lacks a reason or a remedy: %s", encoded)
	}
	delete(fails, "reason")
	delete(fails, "remedy")
	delete(got, "facts")
	want := map[string]any{"ok": false, "listeners": []any{
		map[string]any{"listener": "tcp/:80", "user": "http.servers.srv0", "port": 80., "needs": "fail", "cause": "not-in-bounding-set"},
		map[string]any{"listener": "tcp/:8080", "user": "http.servers.srv0", "port": 8080., "needs": "free"},
		map[string]any{"listener": "tcpx/:80", "user": "http.servers.srv0", "port": 0., "needs": "unknown"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted -, got +\n%s", diff)
	}
	encoded, err = json.Marshal(newReceipt(facts(0, 0), nil).Listeners)
	if err != nil || string(encoded) != "[]" {
		t.Errorf("without listeners: got %s, %v; want an empty list", encoded, err)
	}
}

// TestLog holds that a receipt is one line, and what is on it.
func TestLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	logger := zap.New(core)
	newReceipt(facts(bind, 0), parse(t, "tcp/:80", "udp/:443", "tcp/:80", "tcp/:8080")).log(logger)
	newReceipt(facts(0, 0), parse(t, "tcp/:8080", "tcp/:80", "tcp/:443")).log(logger)
	entries := logs.TakeAll()
	if len(entries) != 2 || entries[0].Level != zap.InfoLevel || entries[1].Level != zap.WarnLevel {
		t.Fatalf("got %+v, want one line each, the second a warning", entries)
	}
	list := func(names ...any) []any { return append([]any{}, names...) }
	want := map[string]any{
		"permitted": list("CAP_NET_BIND_SERVICE"), "effective": list(), "ip_unprivileged_port_start": int64(1024),
		"raise": list("tcp/:80", "udp/:443"), "fail": list(),
	}
	if diff := cmp.Diff(want, entries[0].ContextMap()); diff != "" {
		t.Errorf("wanted -, got +\n%s", diff)
	}
	fields := entries[1].ContextMap()
	if diff := cmp.Diff(list("tcp/:80", "tcp/:443"), fields["fail"]); diff != "" {
		t.Errorf("wanted -, got +\n%s", diff)
	}
	if fields["cause"] != string(diagnose.NotInBoundingSet) || !strings.Contains(fields["reason"].(string), "port 80") || fields["remedy"] == "" {
		t.Errorf("the warning does not explain the first failure: %v", fields)
	}
	if got := names(capset.All); len(got) != 1 || got[0] != "all" {
		t.Errorf("a full set is called %q", got)
	}
}

// TestOnceForEachLoad holds that a load gets one receipt, however often it is
// asked about and from wherever, and that loads which are over are forgotten.
func TestOnceForEachLoad(t *testing.T) {
	var r receipts
	load := func() (caddy.Context, context.CancelFunc) {
		return caddy.NewContext(caddy.Context{Context: context.Background()})
	}
	a, endA := load()
	b, endB := load()
	wins := make(chan bool)
	for range 8 {
		go func() { wins <- r.first(a) }()
	}
	won := 0
	for range 8 {
		if <-wins {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 were first for one load", won)
	}
	if !r.first(b) || r.first(a) || r.first(b) {
		t.Error("a second load has its own receipt, and leaves the first one's")
	}
	endA()
	endB()
	if r.first(a) {
		t.Error("a load that is over gets no receipt")
	}
	forgotten := func() bool {
		empty := true
		r.loads.Range(func(_, _ any) bool { empty = false; return false })
		return empty
	}
	for deadline := time.Now().Add(5 * time.Second); !forgotten(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("loads that are over are still remembered")
		}
	}
}

func TestMethods(t *testing.T) {
	routes := new(admin).Routes()
	if len(routes) != 1 || routes[0].Pattern != "/capabilities" {
		t.Fatalf("got %+v", routes)
	}
	for _, method := range []string{"HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		w := httptest.NewRecorder()
		err := routes[0].Handler.ServeHTTP(w, httptest.NewRequest(method, "/capabilities", nil))
		refused, ok := errors.AsType[caddy.APIError](err)
		if !ok || refused.HTTPStatus != http.StatusMethodNotAllowed || w.Body.Len() != 0 {
			t.Errorf("%s: got %v, %q; want 405", method, err, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if err := routes[0].Handler.ServeHTTP(w, httptest.NewRequest("GET", "/capabilities", nil)); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}
