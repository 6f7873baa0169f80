package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// TestCapsh drops everything without any runtime, as one would by hand.
func TestCapsh(t *testing.T) {
	for _, test := range []struct {
		name    string
		program func() (*program.Program, error)
		starts  bool
	}{
		{"version, all dropped /0", caddyPermitted, true},
		{"the official +ep: version, all dropped /0", caddyEffective, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			results.report(t, test.name, "plain")
			need(t, "root", "setcap", "capsh")
			cmd := exec.Command("capsh", "--drop=all", "--shell="+get(t, test.program).Path, "--", "version")
			out, err := cmd.CombinedOutput()
			t.Logf("%s: %v: %s", strings.Join(cmd.Args, " "), err, out)
			if test.starts && (err != nil || !strings.HasPrefix(string(out), "v2.")) {
				t.Error("want a version")
			}
			if !test.starts && (err == nil || !strings.Contains(string(out), "execve")) {
				t.Error("want a failing execve; capsh does not say that it is EPERM")
			}
		})
	}
}
