package capabilities

import (
	"errors"
	"testing"
)

// TestRefused holds which errors of a start are explained: those that end in
// the kernel's refusal to bind a port, and do not say why already.
func TestRefused(t *testing.T) {
	for text, port := range map[string]string{
		"loading initial config: loading new config: http app module: start: listening on :80: listen tcp :80: bind: permission denied": "80",
		"loading new config: http app module: start: starting HTTP/3 QUIC listener: listen udp4 0.0.0.0:443: bind: permission denied":   "443",
		"starting caddy administration endpoint: listen tcp [::1]:99: bind: permission denied":                                          "99",
		"listen tcp localhost:80: bind: permission denied: port 80 needs CAP_NET_BIND_SERVICE here; remedy: permission denied":          "",
		"listening on :80: listen tcp :80: bind: address already in use":                                                                "",
		"listening on unix//run/a:80: listen unix /run/a:80: bind: permission denied":                                                   "",
		"open /etc/caddy/Caddyfile: permission denied":                                                                                  "",
	} {
		got := ""
		if match := refused.FindStringSubmatch(errors.New(text).Error()); match != nil {
			got = match[1]
		}
		if got != port {
			t.Errorf("%s: explains port %q, want %q", text, got, port)
		}
	}
}
