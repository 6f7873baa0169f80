package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// adminConfig is what the admin API of the two programs is asked about.
const adminConfig = `{"apps": {"http": {"servers": {"srv0": {"@id": "site", "listen": ["127.0.0.1:8080"],
	"routes": [{"handle": [{"handler": "static_response", "body": "one"}]}]}}}}}`

// TestSameAdminAPI asks both programs the same, one request after the other.
func TestSameAdminAPI(t *testing.T) {
	const server = "/config/apps/http/servers/srv0"
	const asJSON, asCaddyfile = "Content-Type: application/json", "Content-Type: text/caddyfile"
	requests := []struct {
		method, path, body string
		headers            []string
	}{
		{"GET", "/config/", "", nil},
		{"GET", "/config", "", nil},
		{"HEAD", "/config/", "", nil},
		{"OPTIONS", "/config/", "", nil},
		{"GET", server + "/listen", "", nil},
		{"GET", server + "/nosuch", "", nil},
		{"GET", "/config/nosuch/nosuch", "", nil},
		{"GET", "/id/site/listen/0", "", nil},
		{"GET", "/id/nosuch", "", nil},
		{"POST", server + "/listen", `"127.0.0.1:8081"`, []string{asJSON}},
		{"GET", server + "/listen", "", nil},
		{"PUT", server + "/listen/0", `"127.0.0.1:8082"`, []string{asJSON}},
		{"PATCH", server + "/listen/0", `"127.0.0.1:8083"`, []string{asJSON}},
		{"PATCH", server + "/listen/9", `"127.0.0.1:8083"`, []string{asJSON}},
		{"PATCH", server + "/nosuch", `1`, []string{asJSON}},
		{"POST", server + "/routes/0/handle/0/body", `"two"`, []string{asJSON}},
		{"PATCH", "/id/site/routes/0/handle/0/body", `"three"`, []string{asJSON}},
		{"DELETE", server + "/listen/0", "", nil},
		{"DELETE", server + "/nosuch", "", nil},
		{"GET", "/config/", "", nil},
		{"POST", server + "/listen", `{broken`, []string{asJSON}},
		{"POST", server + "/listen", `":x"`, []string{asJSON}},
		{"POST", server + "/nosuch", `1`, []string{asJSON}},
		{"POST", server + "/listen", `"127.0.0.1:8084"`, nil},
		{"PATCH", server + "/listen/0", `"127.0.0.1:8085"`, []string{asJSON, `If-Match: "/config/ 0123"`}},
		{"PATCH", server + "/listen/0", `"127.0.0.1:8085"`, []string{asJSON, `If-Match: broken`}},
		{"GET", "/config/", "", nil},
		{"POST", "/load", adminConfig, []string{asJSON}},
		{"POST", "/load", adminConfig, []string{asJSON, "Cache-Control: must-revalidate"}},
		{"POST", "/load", `{"nosuch": 1}`, []string{asJSON}},
		{"POST", "/load", `{broken`, []string{asJSON}},
		{"POST", "/load", `{"apps": {"http": {"servers": {"a": {"routes": [{"handle": [{"handler": "nosuch"}]}]}}}}}`, []string{asJSON}},
		{"POST", "/load", "http://:8086 {\n\trespond four\n}\n", []string{asCaddyfile}},
		{"POST", "/load", "http://:8086 {\n\tnosuch\n}\n", []string{asCaddyfile}},
		{"POST", "/load", "?", []string{"Content-Type: text/nosuch"}},
		{"GET", "/load", "", nil},
		{"GET", "/config/", "", nil},
		{"POST", "/adapt", "http://:8086 {\n\trespond four\n}\n", []string{asCaddyfile}},
		{"POST", "/adapt", "http://:8086 {\n\tnosuch\n}\n", []string{asCaddyfile}},
		{"GET", "/adapt", "", nil},
		{"GET", "/reverse_proxy/upstreams", "", nil},
		{"GET", "/pki/ca/nosuch", "", nil},
		{"GET", "/nosuch", "", nil},
		{"GET", "/", "", nil},
		{"GET", "/config/", "", []string{"Host: evil.example"}},
		{"GET", "/config/", "", []string{"Origin: http://evil.example"}},
		{"GET", "/config/", "", []string{"Origin: http://localhost:2019"}},
		{"GET", "/config/", "", []string{"Sec-Fetch-Mode: no-cors"}},
		{"GET", "/stop", "", nil},
		{"DELETE", "/config/", "", nil},
		{"GET", "/config/", "", nil},
		{"POST", "/stop", "", nil},
	}
	both(t, func(t *testing.T, program string) []string {
		n := newNetwork(t)
		p := newPlace(t, n, 0)
		s := p.serve(program, "run", "--config", p.file("caddy.json", adminConfig))
		var seen []string
		for _, r := range requests {
			a := n.request(t, r.method, adminURL+r.path, r.body, r.headers...)
			seen = append(seen, fmt.Sprintf("%s %s %q: %d %s %q %q", r.method, r.path, r.headers, a.status, normal(a.body),
				a.header.Get("Content-Type"), a.header.Values("Etag")))
		}
		return append(seen, fmt.Sprintf("exit code %d", s.exit()))
	})
}

// TestCapabilitiesRoute holds what the route of ours answers, and that it is
// as closed as upstream's.
func TestCapabilitiesRoute(t *testing.T) {
	n := newNetwork(t)
	p := newPlace(t, n, 0)
	p.env = append(p.env, "CADDY_ADMIN=127.0.0.1:2020")
	p.serve(ours(t, ""), "run", "--config", p.file("caddy.json", adminConfig))
	const base = "http://127.0.0.1:2020"

	got := n.request(t, "GET", base+"/capabilities", "")
	if r := decodeReceipt(t, got.body); got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" ||
		!r.OK || len(r.Listeners) != 1 || r.Listeners[0].Listener != "tcp/127.0.0.1:8080" {
		t.Errorf("got %+v", got)
	}
	var facts struct{ Facts map[string]any }
	if err := json.Unmarshal([]byte(got.body), &facts); err != nil || facts.Facts["ip_unprivileged_port_start"] != 1024. {
		t.Errorf("got the facts %v, %v", facts.Facts, err)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} {
		if a := n.request(t, method, base+"/capabilities", ""); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d", method, a.status)
		}
	}
	for _, header := range []string{"Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Mode: no-cors"} {
		own, theirs := n.request(t, "GET", base+"/capabilities", "", header), n.request(t, "GET", base+"/config/", "", header)
		if own.status != theirs.status || own.status == http.StatusOK != (theirs.status == http.StatusOK) || own.status == http.StatusForbidden && own.body != theirs.body {
			t.Errorf("%s: got %d %s, upstream's routes say %d %s", header, own.status, own.body, theirs.status, theirs.body)
		}
	}
	if a := n.request(t, "GET", base+"/capabilities", "", "Host: evil.example"); a.status != http.StatusForbidden || strings.Contains(a.body, "facts") {
		t.Errorf("a foreign host gets %d %s", a.status, a.body)
	}
	told := p.run(ours(t, ""), "capabilities", "--config", p.home+"/caddy.json")
	if !strings.Contains(told.stdout, "tcp/127.0.0.1:2020") {
		t.Errorf("CADDY_ADMIN does not count:\n%s", told.stdout)
	}
}
