package e2e

import (
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

// TestExecSame compares a program started by "capwise exec" with one started
// bare: the command line is built so that it hands on what it got.
func TestExecSame(t *testing.T) {
	results.report(t, "capwise exec hands on signals, limits and environment", "plain")
	need(t, "root", capwiseBinary(), "prlimit")
	caller := []string{"env", "--ignore-signal=PIPE,QUIT,CHLD,TERM", "--block-signal=USR1,CHLD,SEGV", "prlimit", "--nofile=100:200"}
	cat := []string{"/bin/cat", "/proc/self/environ", "/proc/self/status", "/proc/self/limits"}
	see := func(argv []string) string {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "GOTRACEBACK=all", "none", "A=1"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
		lines := regexp.MustCompile(`(?m)^(PATH|Sig[BIC]|Cap|Umask|Max|Groups).*`).FindAll(out, -1)
		return string(slices.Concat(lines...))
	}
	bare := see(slices.Concat(caller, cat))
	// A capability that no kernel has, so that the sets stay as they are.
	if got := see(slices.Concat(caller, []string{capwiseBinary(), "exec", "--cap", "63", "--"}, cat)); got != bare {
		t.Errorf("bare:\n%s\nby capwise exec:\n%s", bare, got)
	}
}
