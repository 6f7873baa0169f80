package fix_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
	if caps == "" {
		return path
	}
	if err := setText(path, caps); err != nil {
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

// launcherOptions are those that put a launcher before a program.
func launcherOptions(t *testing.T) fix.Options {
	t.Helper()
	programs := kerneltest.Launchers(t)
	return fix.Options{Mode: fix.Launcher, Launcher: func(arch string) ([]byte, error) { return programs[arch], nil }}
}

// TestLauncher holds that a capability-dumb program dies before, starts
// afterwards, and has its capability where it is granted.
func TestLauncher(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	path := dumb(t, "cap_net_bind_service=ep")
	if out, err := status(t, path, "-all"); err == nil {
		t.Fatalf("it starts without its capability: %s", out)
	}
	dry := o
	dry.DryRun = true
	if c, err := apply(t, path, dry); err != nil || !c.Needed() || text(t, path) != "cap_net_bind_service=ep" {
		t.Fatalf("a dry run: %+v, %v; the file carries %q", c, err, text(t, path))
	}
	c, err := apply(t, path, o)
	if err != nil || c.Old != "cap_net_bind_service=ep" || c.New != "cap_net_bind_service=p on a launcher" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if got := text(t, path) + "|" + text(t, path+launch.TargetSuffix); got != "cap_net_bind_service=p|cap_net_bind_service=ei" {
		t.Errorf("launcher and program carry %s", got)
	}
	if out, err := status(t, path, "-all"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000000") {
		t.Errorf("everything dropped: %v\n%s", err, out)
	}
	if out, err := status(t, path, "-all,+net_bind_service"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000400") {
		t.Errorf("granted: %v\n%s", err, out)
	}
	if c, err := apply(t, path, o); err != nil || c.Needed() {
		t.Errorf("a second run does %+v, %v", c, err)
	}
	left, err := filepath.Glob(filepath.Dir(path) + "/.*capwise*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestLauncherUnfinished holds that a second call finishes what a crash left, at
// whichever step, and what another tool did to a launcher.
func TestLauncherUnfinished(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	installed := func(t *testing.T, path string) {
		if _, err := apply(t, path, o); err != nil {
			t.Fatal(err)
		}
	}
	for name, leave := range map[string]func(t *testing.T, path string){
		"linked": func(t *testing.T, path string) {
			if err := os.Link(path, path+launch.TargetSuffix); err != nil {
				t.Fatal(err)
			}
		},
		"renamed": func(t *testing.T, path string) {
			installed(t, path)
			if err := setText(path+launch.TargetSuffix, "cap_net_bind_service=ep"); err != nil {
				t.Fatal(err)
			}
		},
		"a launcher and a link beside": func(t *testing.T, path string) {
			beside := filepath.Join(filepath.Dir(path), ".cat"+launch.TargetSuffix+"-")
			if err := errors.Join(os.WriteFile(beside+"123", []byte("half"), 0o600), os.Link(path, beside+"link")); err != nil {
				t.Fatal(err)
			}
		},
		"setcap on the launcher": func(t *testing.T, path string) {
			installed(t, path)
			if err := setText(path, "cap_net_bind_service=ep"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := dumb(t, "cap_net_bind_service=ep")
			leave(t, path)
			if c, err := apply(t, path, o); err != nil || !c.Needed() {
				t.Errorf("%+v, %v", c, err)
			}
			if got := text(t, path) + "|" + text(t, path+launch.TargetSuffix); got != "cap_net_bind_service=p|cap_net_bind_service=ei" {
				t.Errorf("launcher and program carry %s", got)
			}
			if c, err := apply(t, path, o); err != nil || c.Needed() {
				t.Errorf("a second run does %+v, %v", c, err)
			}
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 2 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestUpgrade holds what is done where the program lies there as a package brings
// it, and beside it the one that a launcher started.
func TestUpgrade(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	upgraded := func(t *testing.T) (path string) {
		path = dumb(t, "cap_net_bind_service=ep")
		if _, err := apply(t, path, o); err != nil {
			t.Fatal(err)
		}
		again := dumb(t, "cap_net_bind_service=ep")
		if err := os.Rename(again, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("left", func(t *testing.T) {
		path := upgraded(t)
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := apply(t, path, o)
		if err != nil || c.Placed == nil || !strings.Contains(strings.Join(c.Placed.Notes, "; "), "left from a launcher that is gone, is replaced") {
			t.Errorf("%+v, %v", c, err)
		}
		after, err := os.Stat(path + launch.TargetSuffix)
		if err != nil || !os.SameFile(before, after) || text(t, path+launch.TargetSuffix) != "cap_net_bind_service=ei" {
			t.Errorf("the program behind the launcher is %v, %v", after, err)
		}
	})
	t.Run("in use", func(t *testing.T) {
		path := upgraded(t)
		other := dumb(t, "cap_net_bind_service=ep")
		if _, err := apply(t, other, o); err != nil {
			t.Fatal(err)
		}
		// The launcher for the old program, which somebody has moved.
		moved := path + ".distrib"
		content, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		c := launch.Config{Caps: launch.Caps{Prefer: bind}, Target: path + launch.TargetSuffix, By: launch.File}
		if content, err = launch.Stamp(content, c); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(moved, content, 0o755), setText(moved, "cap_net_bind_service=p")); err != nil {
			t.Fatal(err)
		}
		if _, err := apply(t, path, o); err == nil || !strings.Contains(err.Error(), "is in use: cat.distrib is a launcher for it") {
			t.Errorf("%v", err)
		}
	})
	t.Run("not a launcher's", func(t *testing.T) {
		path := upgraded(t)
		if err := filecap.Remove(path + launch.TargetSuffix); err != nil {
			t.Fatal(err)
		}
		if _, err := apply(t, path, o); err == nil || !strings.Contains(err.Error(), "is there already, and nothing shows that a launcher left it") {
			t.Errorf("%v", err)
		}
	})
}

// TestLauncherGone checks what fix says of a launcher whose program is gone, is not the
// one that it was, or is a link to another file, and that it gives nothing to that.
func TestLauncherGone(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	victim := dumb(t, "cap_net_raw=ep")
	for says, change := range map[string]func(target string) error{
		"is gone":                   os.Remove,
		"not a regular file":        func(target string) error { return errors.Join(os.Remove(target), os.Symlink(victim, target)) },
		"carries no capability any": func(target string) error { return os.WriteFile(target, []byte("other"), 0o755) },
		"not what the launcher gives": func(target string) error {
			return setText(target, "cap_net_bind_service,cap_setuid=ep")
		},
	} {
		path := dumb(t, "cap_net_bind_service=ep")
		if _, err := apply(t, path, o); err != nil {
			t.Fatal(err)
		}
		if err := change(path + launch.TargetSuffix); err != nil {
			t.Fatal(err)
		}
		if c, err := apply(t, path, o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", says, c, err)
		}
		if got := text(t, victim); got != "cap_net_raw=ep" {
			t.Errorf("%s: another file carries %q now", says, got)
		}
	}
}

// TestOwners holds that a program which others could rewrite gets no launcher unless
// it was asked for, and what becomes of it then.
func TestOwners(t *testing.T) {
	need.Root(t)
	for name, tc := range map[string]struct {
		mode    os.FileMode
		owners  fix.Owners
		refused string
		uid     uint32
		now     os.FileMode
	}{
		"refused":               {0o755, fix.Refuse, "it belongs to user 1001, who would", 0, 0},
		"root's":                {0o755, fix.ChownRoot, "", 0, 0o755},
		"root's, others write":  {0o777, fix.ChownRoot, "", 0, 0o755},
		"root's, owner only":    {0o700, fix.ChownRoot, "nobody but root could start it", 0, 0},
		"its owner's":           {0o755, fix.MayHaveIt, "", 1001, 0o755},
		"its owner's, writable": {0o775, fix.MayHaveIt, "others than its owner may write to it", 0, 0},
	} {
		path := dumb(t, "")
		if err := errors.Join(os.Chmod(path, tc.mode), os.Chown(path, 1001, 1002), setText(path, "cap_net_bind_service=ep")); err != nil {
			t.Fatal(err)
		}
		writer, err := os.OpenFile(path, os.O_WRONLY, 0) // of somebody who has it open
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		o := launcherOptions(t)
		o.Owners = tc.owners
		c, err := apply(t, path, o)
		if tc.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tc.refused) || text(t, path) != "cap_net_bind_service=ep" {
				t.Errorf("%s: %+v, %v; carries %q", name, c, err, text(t, path))
			}
			continue
		}
		if err != nil || c.Placed == nil || c.Placed.Owner != tc.uid {
			t.Errorf("%s: %+v, %v", name, c, err)
			continue
		}
		for _, p := range []string{path, path + launch.TargetSuffix} {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			if st := info.Sys().(*syscall.Stat_t); st.Uid != tc.uid || st.Gid != 1002 || info.Mode() != tc.now {
				t.Errorf("%s: %s is of %d:%d, mode %s", name, p, st.Uid, st.Gid, info.Mode())
			}
		}
		if out, err := status(t, path, "-all,+net_bind_service"); tc.uid == 0 && (err != nil || !strings.Contains(out, "CapEff:\t0000000000000400")) {
			t.Errorf("%s: granted: %v\n%s", name, err, out)
		}
		// What is written now is in another file, or takes the capability away.
		if _, err := writer.WriteAt([]byte{0x7f}, 0); err != nil && !errors.Is(err, syscall.ETXTBSY) {
			t.Fatal(err)
		}
		if got := text(t, path+launch.TargetSuffix); got != "" && tc.uid != 0 || got == "" && tc.uid == 0 {
			t.Errorf("%s: after a write the program carries %q", name, got)
		}
	}
}

// TestOrigin holds that a program which finds its libraries by where it is gets a
// launcher only if that was asked for, and one that lets it find them.
func TestOrigin(t *testing.T) {
	need.Root(t)
	gcc := need.Tool(t, "gcc")
	dir := kerneltest.PublicDir(t, "/usr/local")
	path := filepath.Join(dir, "program")
	for name, text := range map[string]string{
		"lib.c":  "int answer(void) { return 42; }",
		"main.c": "int answer(void); int main(void) { return answer() != 42; }",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"-shared", "-o", dir + "/libanswer.so", dir + "/lib.c"},
		{"-o", path, dir + "/main.c", "-L" + dir, "-lanswer", "-Wl,-rpath,$ORIGIN"},
	} {
		if out, err := exec.Command(gcc, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := setText(path, "cap_net_bind_service=ep"); err != nil {
		t.Fatal(err)
	}
	run := func() error {
		setpriv := need.Tool(t, "setpriv")
		return exec.Command(setpriv, "--reuid=65532", "--regid=65532", "--clear-groups", "--inh-caps=-all", path).Run()
	}
	if err := run(); err == nil {
		t.Error("with +ep it finds its library")
	}
	o := launcherOptions(t)
	o.Mode = fix.Auto
	if _, err := apply(t, path, o); !errors.Is(err, fix.ErrSecureExecution) || !strings.Contains(err.Error(), `in "$ORIGIN" (RUNPATH)`) {
		t.Errorf("auto: %v", err)
	}
	byName := o
	byName.Mode, byName.DryRun = fix.Launcher, true
	if c, err := apply(t, path, byName); err != nil || c.Placed == nil {
		t.Errorf("by name: %+v, %v", c, err)
	}
	o.NoSecureExecution = true
	c, err := apply(t, path, o)
	if err != nil || c.Placed == nil || !strings.Contains(strings.Join(c.Placed.Notes, "; "), "without secure-execution mode") {
		t.Errorf("%+v, %v", c, err)
	}
	if err := run(); err != nil {
		t.Errorf("behind the launcher: %v", err)
	}
}

// TestLauncherHardLinks holds that a program with more names is copied, so that the others
// stay as they are, and that each gets a launcher in turn; also after a run that was killed.
func TestLauncherHardLinks(t *testing.T) {
	need.Root(t)
	const carried = "cap_net_bind_service=ep"
	path := dumb(t, carried)
	link := path + "5.36"
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	o := launcherOptions(t)
	for _, name := range []string{path, link} {
		c, err := apply(t, name, o)
		if err != nil || c.Placed == nil || text(t, name) != "cap_net_bind_service=p" || text(t, name+launch.TargetSuffix) != "cap_net_bind_service=ei" {
			t.Fatalf("%s: %+v, %v; it carries %q, and behind it is %q", name, c, err, text(t, name), text(t, name+launch.TargetSuffix))
		}
		if copied := strings.Contains(strings.Join(c.Placed.Notes, "; "), "the program is a copy: its other names (hard links: 1) stay as they are, with "+carried); copied != (name == path) {
			t.Errorf("%s: %q", name, c.Placed.Notes)
		}
		if name == path && text(t, link) != carried {
			t.Errorf("the other name carries %q", text(t, link))
		}
		if out, err := status(t, name, "-all"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000000") {
			t.Errorf("%s, dropped: %v: %s", name, err, out)
		}
		if out, err := status(t, name, "+all"); err != nil || !strings.Contains(out, "CapEff:\t0000000000000400") {
			t.Errorf("%s, granted: %v: %s", name, err, out)
		}
		if c, err := apply(t, name, o); err != nil || c.Needed() {
			t.Errorf("%s, again: %+v, %v", name, c, err)
		}
	}
	// Killed: the program has its second name already, and a third.
	path = dumb(t, carried)
	if err := errors.Join(os.Link(path, path+launch.TargetSuffix), os.Link(path, path+"5.36")); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, path, o); err != nil || text(t, path+"5.36") != carried || text(t, path+launch.TargetSuffix) != "cap_net_bind_service=ei" {
		t.Errorf("after one that was killed: %v; %q, %q", err, text(t, path+"5.36"), text(t, path+launch.TargetSuffix))
	}
}

// TestLauncherRefuses holds what no launcher is put before, and that nothing has
// changed then.
func TestLauncherRefuses(t *testing.T) {
	need.Root(t)
	for says, change := range map[string]func(path string) error{
		"set-id bit":        func(path string) error { return syscall.Chmod(path, 0o4755) },
		"is there already":  func(path string) error { return os.WriteFile(path+launch.TargetSuffix, nil, 0o755) },
		"lets others write": func(path string) error { return os.Chmod(path, 0o777) },
		"permits no":        func(path string) error { return setText(path, "=") },
		"not a launcher of": func(string) error { return nil },
		"not an ELF": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Repeat("#", 64)), 0o755), setText(path, "cap_net_bind_service=ep"))
		},
	} {
		path := dumb(t, "cap_net_bind_service=ep")
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		o := launcherOptions(t)
		if strings.HasPrefix(says, "not a launcher") {
			o.Launcher = func(string) ([]byte, error) { return []byte("no launcher"), nil }
		}
		before := text(t, path)
		if c, err := apply(t, path, o); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
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
