package e2e

import (
	"fmt"
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

// wording is what the message on a port has to contain, all in one line.
func wording(why failure, port int) []string {
	return append([]string{fmt.Sprintf("port %d", port), "CAP_NET_BIND_SERVICE"}, map[failure][]string{
		notBounding:  {"CAP_NET_BIND_SERVICE is not in the bounding set"},
		lostToNNP:    {"lost to no_new_privs"},
		nosuid:       {"nosuid mount"},
		foreignNetNS: {"belongs to another user namespace"},
	}[why]...)
}

// remedy is what the message advises where nothing is granted, in the words of
// the runtime.
var remedy = map[string]string{
	"docker":      "--cap-add=NET_BIND_SERVICE",
	"podman+runc": "--cap-add=NET_BIND_SERVICE",
	"podman+crun": "--cap-add=NET_BIND_SERVICE",
	"systemd":     "CapabilityBoundingSet=CAP_NET_BIND_SERVICE in the unit",
}

// explains checks that one error in the log of a distribution has all of the
// fragments. Where the server goes on, the line may be on its way still.
func (p *process) explains(t *testing.T, d *distribution, fragments ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(p.stderr.String() + "\n" + p.stdout.String()) {
			if d.isError(line) && containsAll(unquoted(line), fragments) {
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

func containsAll(s string, fragments []string) bool {
	for _, f := range fragments {
		if !strings.Contains(s, f) {
			return false
		}
	}
	return true
}
