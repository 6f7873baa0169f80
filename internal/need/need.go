// Package need says what a test needs of the machine. A test that cannot run
// says which need is missing and is left out; with CI=true it fails instead,
// so that no run on a prepared machine passes without it.
package need

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// Root leaves the test out unless it runs as root on Linux.
func Root(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		missing(t, "Linux")
	}
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
}

// Tool leaves the test out unless the command can be found, and returns its path.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "the command "+name)
	}
	return path
}

// File leaves the test out unless the file is there; how says how to make it.
func File(t testing.TB, path, how string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, path+" ("+how+")")
	}
}

// Setting leaves the test out unless the kernel's setting in the file under /proc/sys
// is one that fits; want says which do.
func Setting(t testing.TB, file, want string, fits func(string) bool) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/" + file)
	if err != nil || !fits(string(text)) {
		missing(t, file+": "+want)
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s, which a CI machine must have", what)
	}
	t.Skipf("needs %s", what)
}
