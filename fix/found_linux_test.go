package fix_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestInTheWay holds that only what a launcher has left is replaced where the program
// moves, and what is no launcher for it is passed by.
func TestInTheWay(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	for name, tc := range map[string]struct {
		caps    string
		change  func(target string) error
		refused bool
	}{
		"left":                        {"cap_net_raw=ei", nil, false},
		"nothing":                     {"", nil, true},
		"permitted":                   {"cap_net_raw=eip", nil, true},
		"no capability":               {"=e", nil, true},
		"not effective":               {"cap_net_raw=i", nil, true},
		"writable":                    {"cap_net_raw=ei", func(target string) error { return os.Chmod(target, 0o757) }, true},
		"two names":                   {"cap_net_raw=ei", func(target string) error { return os.Link(target, target+"2") }, true},
		"launchers for another":       {"cap_net_raw=ei", func(target string) error { return launchers(target, "cap_net_raw=p", "/elsewhere") }, false},
		"launchers without":           {"cap_net_raw=ei", func(target string) error { return launchers(target, "", target) }, false},
		"launchers that give nothing": {"cap_net_raw=ei", func(target string) error { return launchers(target, "cap_net_raw=i", target) }, false},
		"launchers for it":            {"cap_net_raw=ei", func(target string) error { return launchers(target, "cap_net_raw=p", target) }, true},
	} {
		path := dumb(t, "cap_net_bind_service=ep")
		target := path + launch.TargetSuffix
		err := os.WriteFile(target, []byte("old"), 0o755)
		if err == nil && tc.caps != "" {
			err = setText(target, tc.caps)
		}
		if err == nil && tc.change != nil {
			err = tc.change(target)
			if tc.caps != "" {
				err = errors.Join(err, setText(target, tc.caps))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		before := descriptors(t)
		c, err := apply(t, path, o)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if content, err := os.ReadFile(target); tc.refused && (err != nil || string(content) != "old" || carried(path) != "cap_net_bind_service=ep") {
			t.Errorf("%s: it was replaced, %v", name, err)
		}
		if now := descriptors(t); now != before {
			t.Errorf("%s: %d descriptors are open, %d were", name, now, before)
		}
	}
}

// launchers puts a launcher for a target, and files that are none, beside it.
func launchers(beside, caps, target string) error {
	var block []byte
	c := launch.Config{Caps: launch.Caps{Prefer: 1 << 13}, Target: target, By: launch.File}
	block, err := c.MarshalBinary()
	for i := range 12 {
		path := filepath.Join(filepath.Dir(beside), fmt.Sprint("other", i))
		content := []byte("other")
		if i == 5 {
			content = block
		}
		err = errors.Join(err, os.WriteFile(path, content, 0o755))
		if caps != "" {
			err = errors.Join(err, setText(path, caps))
		}
	}
	return err
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestFinish checks what fix says of a launcher that is not finished, that a dry run and a
// run while another has it locked do nothing, and what strip makes of the two.
func TestFinish(t *testing.T) {
	need.Root(t)
	const half, p, ei = "cap_net_bind_service=ep", "cap_net_bind_service=p", "cap_net_bind_service=ei"
	for _, tc := range []struct{ launcher, program, says string }{
		{p, half, half + " behind a launcher"}, {half, ei, half}, {half, half, half + " behind a launcher"},
	} {
		path := dumb(t, half)
		o := launcherOptions(t)
		if _, err := apply(t, path, o); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(setText(path, tc.launcher), setText(path+launch.TargetSuffix, tc.program)); err != nil {
			t.Fatal(err)
		}
		unchanged := func(what string) {
			if got := carried(path) + "|" + carried(path+launch.TargetSuffix); got != tc.launcher+"|"+tc.program {
				t.Errorf("%s: they carry %s", what, got)
			}
		}
		o.DryRun = true
		c, err := apply(t, path, o)
		if err != nil || c.Old != tc.says || c.New != p+" on a launcher" {
			t.Errorf("%+v, %v", c, err)
		}
		unchanged("a dry run")
		o.DryRun = false
		other, err := os.Open(path)
		if err == nil {
			err = syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, err := apply(t, path, o); err == nil || !strings.Contains(err.Error(), "another run of capwise is at work") {
			t.Errorf("%+v, %v", c, err)
		}
		unchanged("while it is locked")
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if c, err := apply(t, path, o); err != nil || c.Old != tc.says {
			t.Errorf("%+v, %v", c, err)
		}
		o.Mode = fix.Strip
		for _, name := range []string{path, path + launch.TargetSuffix} {
			if _, err := apply(t, name, o); err != nil || carried(name) != "" {
				t.Errorf("%s carries %q, %v", name, carried(name), err)
			}
		}
	}
}

// TestThawed holds that a file is frozen no longer than it takes; and that what is
// made root's is a copy only where others could write to the file.
func TestThawed(t *testing.T) {
	need.Root(t)
	path := dumb(t, "cap_net_bind_service=ep")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	o := launcherOptions(t)
	o.Owners = fix.ChownRoot
	if _, err := apply(t, path, o); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path + launch.TargetSuffix); err != nil || !os.SameFile(before, after) {
		t.Errorf("root's program was copied, %v", err)
	}
	path = dumb(t, "")
	if err := errors.Join(os.Chown(path, 1001, 0), setText(path, "cap_net_bind_service=ep")); err != nil {
		t.Fatal(err)
	}
	f, err := held.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o.Mode = fix.Permitted
	if _, err := fix.File(f, o); err != nil {
		t.Error(err)
	}
	w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("it is frozen still: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
