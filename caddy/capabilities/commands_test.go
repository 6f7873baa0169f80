package capabilities

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// TestLogReceipts loads one configuration after the other, with and without the
// admin endpoint, while others ask for the receipt: for the race detector, and
// to hold that logging ends with the last configuration.
func TestLogReceipts(t *testing.T) {
	const config = `{"admin": {"listen": "127.0.0.1:0", "disabled": %t}, "logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
		"apps": {"http": {"servers": {"a": {"listen": ["127.0.0.1:0"]}}}}}`
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		logReceipts()
	}()
	for i := range 6 {
		if err := caddy.Load(fmt.Appendf(nil, config, i%2 == 0), true); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			awaitReceipt(t) // or all loads may be over before logReceipts sees one
		}
		asked := make(chan error)
		for range 4 {
			go func() {
				receipt, err := new(admin).current()
				if err == nil && len(receipt.Listeners) != 1 {
					err = fmt.Errorf("got %+v", receipt.Listeners)
				}
				asked <- err
			}()
		}
		for range 4 {
			if err := <-asked; err != nil {
				t.Error(err)
			}
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it still waits after the last configuration")
	}
}

// awaitReceipt waits until the running configuration has got its receipt.
func awaitReceipt(t *testing.T) {
	t.Helper()
	load := caddy.ActiveContext().Context
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, known := given.loads.Load(load); known {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the first configuration gets no receipt")
		}
	}
}

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
