package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// failure is one way in which a start has to fail.
type failure string

const (
	notBounding  failure = "nothing granted"
	lostToNNP    failure = "lost to no_new_privs"
	nosuid       failure = "file on a nosuid mount"
	foreignNetNS failure = "network of another user namespace"
	dumbExec     failure = "capability-dumb file"
)

// wording is what the messages have to contain, all in one line.
var wording = map[failure][]string{
	notBounding:  {"port 80", "CAP_NET_BIND_SERVICE is not in the bounding set"},
	lostToNNP:    {"port 80", "CAP_NET_BIND_SERVICE", "lost to no_new_privs"},
	nosuid:       {"port 80", "CAP_NET_BIND_SERVICE", "nosuid mount"},
	foreignNetNS: {"port 80", "CAP_NET_BIND_SERVICE", "belongs to another user namespace"},
}

// remedy is what the message advises where nothing is granted, in the words of
// the runtime.
var remedy = map[string]string{
	"docker":      "--cap-add=NET_BIND_SERVICE",
	"podman+runc": "--cap-add=NET_BIND_SERVICE",
	"podman+crun": "--cap-add=NET_BIND_SERVICE",
	"systemd":     "CapabilityBoundingSet=CAP_NET_BIND_SERVICE in the unit",
}

// explains checks that one error in Caddy's log, which goes to stderr, has all of
// the fragments. Where Caddy goes on, the line may be on its way still.
func (p *process) explains(t *testing.T, fragments ...string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, `"level":"error"`) && containsAll(unquoted(line), fragments) {
				return
			}
		}
	}
	t.Errorf("no error in the log has all of %q", fragments)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// unquoted returns the texts of a JSON log line as a reader sees them, without
// escapes, and other lines as they are.
func unquoted(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return line
	}
	var text strings.Builder
	for _, value := range fields {
		if s, ok := value.(string); ok {
			text.WriteString(s + "\n")
		}
	}
	return text.String()
}

func containsAll(s string, fragments []string) bool {
	for _, f := range fragments {
		if !strings.Contains(s, f) {
			return false
		}
	}
	return true
}
