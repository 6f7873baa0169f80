package scenario_test

import (
	"fmt"
	"testing"

	"github.com/capwise/capwise/scenario"
)

// TestParts holds that a range is judged exactly where the kernel answers
// differently, and nowhere else (S12).
func TestParts(t *testing.T) {
	for _, c := range []struct {
		first, last, start int
		want               string
	}{
		{1, 65535, 1024, "[ports 1-1023/tcp ports 1024-65535/tcp]"},
		{0, 65535, 1024, "[tcp :0 ports 1-1023/tcp ports 1024-65535/tcp]"},
		{1023, 1024, 1024, "[tcp :1023 tcp :1024]"},
		{1024, 1025, 1024, "[ports 1024-1025/tcp]"},
		{1022, 1023, 1024, "[ports 1022-1023/tcp]"},
		{1, 65535, 0, "[ports 1-65535/tcp]"},
		{1, 65535, 1, "[ports 1-65535/tcp]"},
		{1, 65535, 65535, "[ports 1-65534/tcp tcp :65535]"},
		{80, 80, 1024, "[tcp :80]"},
	} {
		got := fmt.Sprint(scenario.NewListen("tcp", c.first, c.last, "").Parts(c.start))
		if got != c.want {
			t.Errorf("%d-%d where ports from %d on are free: got %s, want %s", c.first, c.last, c.start, got, c.want)
		}
	}
}

// TestAddListen holds that a port is there once, and that many cost as much each
// as few.
func TestAddListen(t *testing.T) {
	var s scenario.Start
	s.Listens = []scenario.Listen{scenario.NewListen("tcp", 80, 80, "given")}
	for range 2 {
		for port := range 60_000 {
			s.AddListen(scenario.NewListen("tcp", port, port, ""))
			s.AddListen(scenario.NewListen("udp", port, port+1, ""))
		}
	}
	if len(s.Listens) != 120_000 {
		t.Errorf("%d listens, want 120000", len(s.Listens))
	}
	for text, want := range map[string]string{"80": "tcp :80", "53/udp": "udp :53", "8000-8010/tcp": "ports 8000-8010/tcp", "9-9/udp": "udp :9"} {
		if l, err := scenario.ParseExposed(text); err != nil || l.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, l, err, want)
		}
	}
	for _, text := range []string{"", "65536", "2-1", "1-65536", "-1", "1-", "a"} {
		if l, err := scenario.ParseExposed(text); err == nil {
			t.Errorf("%s: got %s, want an error", text, l)
		}
	}
}
