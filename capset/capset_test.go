package capset_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
)

func TestParseCap(t *testing.T) {
	for text, want := range map[string]capset.Cap{
		"cap_chown": 0, "CAP_NET_BIND_SERVICE": capset.NetBindService, "cap_checkpoint_restore": 40,
		"0": 0, "41": 41, "63": 63, "0x0a": 10, "012": 10,
	} {
		if got, err := capset.ParseCap(text); err != nil || got != want {
			t.Errorf("ParseCap(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "net_raw", "cap_", "cap_nothing", "64", "-1", "+1", "1_0", "0b1", "0o7", "999999999999999999999"} {
		if got, err := capset.ParseCap(text); err == nil || text != "" && !strings.Contains(err.Error(), text) {
			t.Errorf("ParseCap(%q) = %v, %v; want an error that names it", text, got, err)
		}
	}
}

func TestSet(t *testing.T) {
	s := capset.Of(capset.NetRaw, capset.Chown, 63)
	if s.String() != "cap_chown,cap_net_raw,63" || s.Len() != 3 || !s.Has(63) || s.Has(capset.Kill) || s.Has(200) {
		t.Errorf("set is %s with %d elements", s, s.Len())
	}
	if !s.Contains(capset.Of(63)) || s.Contains(capset.All) || !capset.All.Contains(capset.Of(capset.CheckpointRestore)) {
		t.Error("Contains is wrong")
	}
	for _, s := range []capset.Set{0, s, capset.All, ^capset.Set(0)} {
		if back, err := capset.ParseSet(s.String()); err != nil || back != s {
			t.Errorf("ParseSet(%q) = %x, %v; want %x", s, uint64(back), err, uint64(s))
		}
	}
	if got, err := capset.ParseSet("all"); err != nil || got != capset.All {
		t.Errorf("ParseSet(all) = %v, %v", got, err)
	}
	if _, err := capset.ParseSet("cap_chown,,cap_kill"); err == nil {
		t.Error("ParseSet accepts an empty name")
	}
}

// The texts and the answers are those of setcap and getcap of libcap 2.66; the
// comparison with the real ones is in test/peers.
func TestState(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "=",
		"=":                                "=",
		"all=":                             "=",
		"cap_net_bind_service=ep":          "cap_net_bind_service=ep",
		"cap_net_admin,cap_net_raw+eip":    "cap_net_admin,cap_net_raw=eip",
		"all=ep":                           "=ep",
		"=p cap_setuid-p":                  "=p cap_setuid-p",
		"all=p cap_setuid=":                "=p cap_setuid-p",
		"cap_chown=ip-p":                   "cap_chown=i",
		"cap_chown=e+p":                    "cap_chown=ep",
		"cap_chown=+p":                     "cap_chown=p",
		"cap_chown=-p":                     "=",
		"cap_chown=p\tcap_kill=i\ncap_bpf": "", // an error
		"cap_chown=p cap_kill=i":           "cap_kill=i cap_chown+p",
		"41=p":                             "= 41+p",
		"=ep cap_sys_resource-ep":          "=ep cap_sys_resource-ep",
		"cap_chown,=p":                     "",
		"=+p":                              "",
		"=ip-i":                            "",
		"all=ip-i":                         "=p",
		"=-":                               "",
		"+p":                               "",
		"cap_chown+":                       "",
		"cap_chown+p=e":                    "",
		"cap_chown=x":                      "",
		"cap_chown= p":                     "",
		"net_raw=p":                        "",
	} {
		got, err := capset.ParseState(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("ParseState(%q) = %q, want an error", text, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("ParseState(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		mask := capset.Set(r.Uint64())
		if r.IntN(2) == 0 {
			mask = capset.All
		}
		s := capset.State{
			Effective:   capset.Set(r.Uint64()) & mask,
			Permitted:   capset.Set(r.Uint64()&r.Uint64()) & mask,
			Inheritable: capset.Set(r.Uint64()|r.Uint64()) & mask,
		}
		if back, err := capset.ParseState(s.String()); err != nil || back != s {
			t.Fatalf("ParseState(%q) = %+v, %v; want %+v", s, back, err, s)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("cap_net_bind_service=ep")
	f.Add("=p all+e-p 41+i")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := capset.ParseState(text)
		if err != nil {
			return
		}
		if back, err := capset.ParseState(s.String()); err != nil || back != s {
			t.Errorf("%q is %q, which is read as %q, %v", text, s, back, err)
		}
	})
}
