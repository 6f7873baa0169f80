package buffers

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func TestUnmarshalCaddyfile(t *testing.T) {
	for text, want := range map[string]any{
		"buffers":            0,
		"buffers 2MiB":       2 << 20,
		"buffers 1000":       1000,
		"buffers 0":          "want a size",
		"buffers many":       "want a size",
		"buffers 2GiB":       "want a size",
		"buffers 1MiB 2MiB":  "wrong argument count",
		"buffers {\nsize\n}": "wrong argument count",
	} {
		w := new(Wrapper)
		err := w.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if says, fails := want.(string); fails {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want an error with %q", text, err, says)
			}
		} else if err != nil || w.Size != want {
			t.Errorf("%s: %d, %v, want %d", text, w.Size, err, want)
		}
	}
}

// TestCaddyfile holds what the package comment says of its place.
func TestCaddyfile(t *testing.T) {
	const text = "{\n\tservers {\n\t\tpacket_conn_wrappers {\n\t\t\tbuffers 3MiB\n\t\t}\n\t}\n}\nlocalhost\n"
	adapter := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}
	out, warnings, err := adapter.Adapt([]byte(text), nil)
	if err != nil || len(warnings) > 0 || !strings.Contains(string(out), `"packet_conn_wrappers":[{"size":3145728,"wrapper":"buffers"}]`) {
		t.Errorf("%s, %v, %v", out, warnings, err)
	}
}
