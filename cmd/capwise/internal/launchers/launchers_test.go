package launchers_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/cmd/capwise/internal/launchers"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestProgram holds that what is embedded can be stamped.
func TestProgram(t *testing.T) {
	need.File(t, "bin/amd64.gz", "scripts/launchers.sh")
	want := launch.Config{Target: "/usr/bin/server.capwise"}
	for _, arch := range launchers.Archs() {
		program, err := launchers.Program(arch)
		if err != nil {
			t.Error(err)
			continue
		}
		stamped, err := launch.Stamp(program, want)
		if err != nil {
			t.Errorf("%s: %v", arch, err)
			continue
		}
		if got, err := launch.Find(stamped); err != nil || got != want {
			t.Errorf("%s: found %+v, %v", arch, got, err)
		}
	}
	if _, err := launchers.Program("mips"); err == nil || !strings.Contains(err.Error(), "no launcher for mips") {
		t.Errorf("for mips: %v", err)
	}
}
