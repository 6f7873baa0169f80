package filecap_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
)

var bind = capset.Of(capset.NetBindService)

// attributes are the bytes that setcap and the kernel write, and what they say.
var attributes = map[string]struct {
	hex  string
	caps filecap.Caps
	text string
}{
	"v1":        {"010000010004000000000000", filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V1}, "cap_net_bind_service=ep"},
	"v2 +p":     {"0000000200040000000000000000000000000000", filecap.Caps{Permitted: bind, Revision: filecap.V2}, "cap_net_bind_service=p"},
	"v2 +ep":    {"0100000200040000000000000000000000000000", filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}, "cap_net_bind_service=ep"},
	"v2 empty":  {"0000000200000000000000000000000000000000", filecap.Caps{Revision: filecap.V2}, "="},
	"v2 bpf=i":  {"0000000200000000000000000000000080000000", filecap.Caps{Inheritable: capset.Of(capset.BPF), Revision: filecap.V2}, "cap_bpf=i"},
	"v3 rootid": {"000000030004000000000000000000000000000050c30000", filecap.Caps{Permitted: bind, Revision: filecap.V3, RootID: 50000}, "cap_net_bind_service=p [rootid=50000]"},
	"v3 root 0": {"010000030004000000000000000000000000000000000000", filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V3}, "cap_net_bind_service=ep"},
}

func TestCodec(t *testing.T) {
	for name, a := range attributes {
		raw, err := hex.DecodeString(a.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := filecap.Parse(raw)
		if err != nil || got != a.caps || got.String() != a.text {
			t.Errorf("%s: Parse = %+v (%s), %v; want %+v (%s)", name, got, got, err, a.caps, a.text)
		}
		if back, err := a.caps.MarshalBinary(); err != nil || !bytes.Equal(back, raw) {
			t.Errorf("%s: MarshalBinary = %x, %v; want %s", name, back, err, a.hex)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                         "0 bytes, too short",
		"000002":                   "3 bytes, too short",
		"00000002":                 "4 bytes, revision 2 has 20",
		"000000020004000000000000": "12 bytes, revision 2 has 20",
		"000000020004000000000000000000000000000000":       "21 bytes, revision 2 has 20",
		"0000000300040000000000000000000000000000":         "20 bytes, revision 3 has 24",
		"010000010004000000":                               "9 bytes, revision 1 has 12",
		"000000040004000000000000000000000000000000000000": "unknown revision 4",
		"000000000004000000000000":                         "unknown revision 0",
		"0200000200040000000000000000000000000000":         "unknown flags 0x000002",
	} {
		raw, _ := hex.DecodeString(text)
		got, err := filecap.Parse(raw)
		if !errors.Is(err, filecap.ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("Parse(%s) = %+v, %v; want an error that says %q", text, got, err, says)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	for _, c := range []filecap.Caps{
		{},
		{Revision: 4},
		{Revision: filecap.V1, Permitted: capset.Of(capset.BPF)},
		{Revision: filecap.V2, RootID: 1},
	} {
		if b, err := c.MarshalBinary(); err == nil {
			t.Errorf("%+v became %x", c, b)
		}
	}
}

func TestFromText(t *testing.T) {
	for text, ok := range map[string]bool{
		"cap_net_bind_service=p": true, "cap_net_raw=eip": true, "=": true,
		"cap_net_raw=e":              true,  // the bit alone, as setcap writes it
		"cap_net_raw=ep cap_kill=p":  false, // one bit for all
		"cap_net_raw=ep cap_kill=ep": true,
		"nonsense":                   false,
	} {
		if c, err := filecap.FromText(text); (err == nil) != ok {
			t.Errorf("FromText(%q) = %v, %v", text, c, err)
		}
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := filecap.Get(path); !errors.Is(err, filecap.ErrNone) {
		t.Errorf("Get of a new file = %v, %v; want ErrNone", c, err)
	}
	if _, err := filecap.Get(path + "x"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("Get of no file: %v", err)
	}
	if err := filecap.Remove(path); err != nil {
		t.Errorf("Remove of nothing: %v", err)
	}
	need.Root(t)
	for name, a := range attributes {
		if a.caps.Revision == filecap.V1 {
			// Since Linux 2.6.25 the kernel reads revision 1 and writes it no more.
			if err := filecap.Set(path, a.caps); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: Set = %v, want EINVAL", name, err)
			}
			continue
		}
		if err := filecap.Set(path, a.caps); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := a.caps
		if want.RootID == 0 {
			want.Revision = filecap.V2 // how the kernel shows what counts here
		}
		if got, err := filecap.Get(path); err != nil || got != want {
			t.Errorf("%s: Get = %+v, %v; want %+v", name, got, err, want)
		}
	}
	if err := filecap.Remove(path); err != nil {
		t.Error(err)
	}
	if _, err := filecap.Get(path); !errors.Is(err, filecap.ErrNone) {
		t.Errorf("after Remove: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range attributes {
		raw, _ := hex.DecodeString(a.hex)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := filecap.Parse(raw)
		if err != nil {
			return
		}
		if back, err := c.MarshalBinary(); err != nil || !bytes.Equal(back, raw) {
			t.Errorf("%x is %+v, which becomes %x, %v", raw, c, back, err)
		}
	})
}
