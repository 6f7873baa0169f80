package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// need skips the test where the machine lacks something, naming it; a program
// or file stands for itself. With CI=true the lack is a failure.
func need(t *testing.T, needs ...string) {
	t.Helper()
	for _, n := range needs {
		if met(n) {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs %s, and CI=true allows no skip", n)
		}
		results.leaveOut(t, "needs "+n)
		t.Skipf("needs %s", n)
	}
}

func met(n string) bool {
	switch n {
	case "root":
		return sandbox.Dir() != "" // which only root gets
	case "systemd":
		_, err := os.Stat("/lib/systemd/systemd")
		return err == nil
	}
	if filepath.IsAbs(n) {
		_, err := os.Stat(n)
		return err == nil
	}
	_, err := exec.LookPath(n)
	return err == nil
}
