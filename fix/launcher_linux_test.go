package fix_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// dumb makes a folder that a launcher trusts, with a copy of a program in it that
// cannot raise.
func dumb(t *testing.T, caps string) string {
	t.Helper()
	path := filepath.Join(kerneltest.PublicDir(t, "/usr/local"), "cat")
	content, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := filecap.FromText(caps)
	if err != nil {
		t.Fatal(err)
	}
	if err := filecap.Set(path, c); err != nil {
		t.Fatal(err)
	}
	return path
}

// status runs the program, which is a cat, as another user with a bounding set,
// and returns what it says of itself.
func status(t *testing.T, path, bounding string) (string, error) {
	t.Helper()
	setpriv := need.Tool(t, "setpriv")
	out, err := exec.Command(setpriv, "--reuid=65532", "--regid=65532", "--clear-groups", "--inh-caps=-all", "--bounding-set="+bounding, path, "/proc/self/status").Output()
	return string(out), err
}

// TestLauncher holds that a capability-dumb program dies before, starts
// afterwards, and has its capability where it is granted.
func TestLauncher(t *testing.T) {
	need.Root(t)
	program := kerneltest.Launchers(t)[runtime.GOARCH]
	path := dumb(t, "cap_net_bind_service=ep")
	if out, err := status(t, path, "-all"); err == nil {
		t.Fatalf("it starts without its capability: %s", out)
	}
	if c, err := fix.Launcher(path, program, true); err != nil || !c.Needed() || text(t, path) != "cap_net_bind_service=ep" {
		t.Fatalf("a dry run: %+v, %v; the file carries %q", c, err, text(t, path))
	}
	c, err := fix.Launcher(path, program, false)
	if err != nil || c.Old != "cap_net_bind_service=ep" || c.New != "cap_net_bind_service=p on a launcher" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if got := text(t, path) + "|" + text(t, path+fix.TargetSuffix); got != "cap_net_bind_service=p|" {
		t.Errorf("launcher and program carry %s", got)
	}
	if out, err := status(t, path, "-all"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000000") {
		t.Errorf("everything dropped: %v\n%s", err, out)
	}
	if out, err := status(t, path, "-all,+net_bind_service"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000400") {
		t.Errorf("granted: %v\n%s", err, out)
	}
	if c, err := fix.Launcher(path, program, false); err != nil || c.Needed() {
		t.Errorf("a second run does %+v, %v", c, err)
	}
	left, err := filepath.Glob(filepath.Dir(path) + "/.*capwise*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestLauncherUnfinished holds that a second call finishes what a crash left.
func TestLauncherUnfinished(t *testing.T) {
	need.Root(t)
	program := kerneltest.Launchers(t)[runtime.GOARCH]
	path := dumb(t, "cap_net_bind_service=ep")
	if _, err := fix.Launcher(path, program, false); err != nil {
		t.Fatal(err)
	}
	caps, err := filecap.FromText("cap_net_bind_service=ep")
	if err != nil {
		t.Fatal(err)
	}
	if err := filecap.Set(path+fix.TargetSuffix, caps); err != nil {
		t.Fatal(err)
	}
	if _, err := fix.Launcher(path, program, false); err != nil || text(t, path+fix.TargetSuffix) != "" {
		t.Errorf("%v; the program carries %q", err, text(t, path+fix.TargetSuffix))
	}
}

// TestLauncherRefuses holds what no launcher is put before, and that nothing has
// changed then.
func TestLauncherRefuses(t *testing.T) {
	need.Root(t)
	program := kerneltest.Launchers(t)[runtime.GOARCH]
	for says, change := range map[string]func(path string) error{
		"hard links":        func(path string) error { return os.Link(path, path+"-link") },
		"set-id bit":        func(path string) error { return syscall.Chmod(path, 0o4755) },
		"is there already":  func(path string) error { return os.WriteFile(path+fix.TargetSuffix, nil, 0o755) },
		"others than":       func(path string) error { return os.Chmod(path, 0o777) },
		"no capabilities":   filecap.Remove,
		"not a launcher of": func(string) error { return nil },
	} {
		path := dumb(t, "cap_net_bind_service=ep")
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		with := program
		if strings.HasPrefix(says, "not a launcher") {
			with = []byte("no launcher")
		}
		before := text(t, path)
		if c, err := fix.Launcher(path, with, false); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, %v", says, c, err)
		}
		content, err := os.ReadFile(path)
		if err != nil || text(t, path) != before {
			t.Errorf("%s: %v; carries %q", says, err, text(t, path))
		}
		if _, err := launch.Find(content); !errors.Is(err, launch.ErrNoLauncher) {
			t.Errorf("%s: a launcher is in its place", says)
		}
	}
}
