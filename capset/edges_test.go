package capset_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
)

// TestEdges is what only a change of one character would get wrong.
func TestEdges(t *testing.T) {
	if c, err := capset.ParseCap("9"); c != 9 || err != nil {
		t.Errorf("got %d, %v, want capability 9", c, err)
	}
	for _, name := range []string{"!", "-1", "x1", ":"} {
		if _, err := capset.ParseCap(name); err == nil || !strings.Contains(err.Error(), "unknown capability") {
			t.Errorf("%q: got %v, want to hear that it is unknown", name, err)
		}
	}
	if all := ^capset.Set(0); !all.Has(capset.MaxCap) || all.Has(capset.MaxCap+1) {
		t.Error("a set has the capabilities up to the highest")
	}
	var s capset.Set
	if err := s.UnmarshalText([]byte("cap_chown,cap_kill")); err != nil || s != capset.Of(capset.Chown)|capset.Of(capset.Kill) {
		t.Errorf("got %v, %v", s, err)
	}
}
