package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// TestCapsh drops everything without any runtime, as one would by hand.
func TestCapsh(t *testing.T) {
	for _, d := range distributions {
		for _, row := range []struct {
			matrixRow
			made   func() (*program.Program, error)
			starts bool
		}{
			{matrix[0], d.permitted, true},
			{matrix[len(matrix)-1], d.effective, false},
		} {
			name := row.label(d) + " /0"
			t.Run(name, func(t *testing.T) {
				results.report(t, name, "plain")
				need(t, "root", "setcap", "capsh")
				args := append([]string{"--drop=all", "--shell=" + get(t, row.made).Path, "--"}, d.version...)
				cmd := exec.Command("capsh", args...)
				out, err := cmd.CombinedOutput()
				t.Logf("%s: %v: %s", strings.Join(cmd.Args, " "), err, out)
				if row.starts && (err != nil || !strings.HasPrefix(string(out), d.says)) {
					t.Error("want a version")
				}
				if !row.starts && (err == nil || !strings.Contains(string(out), "execve")) {
					t.Error("want a failing execve; capsh does not say that it is EPERM")
				}
			})
		}
	}
}
