package fix_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/need"
)

// TestMeanwhile holds what becomes of a program with which something happens after it
// was looked at, and before it is moved: nothing that was there is gone, and nothing
// is left.
func TestMeanwhile(t *testing.T) {
	need.Root(t)
	const was = "cap_net_bind_service=ep"
	for says, tc := range map[string]struct {
		owners fix.Owners
		before func(path string) error
		happen func(path string) error
		want   string // what program and target carry then
		left   int    // how many files are there
	}{
		"another run of capwise": {happen: func(path string) error { return locked(t, path) }, want: was + "|", left: 2},
		"another run":            {before: func(path string) error { return locked(t, path) }, want: was + "|", left: 2},
		"":                       {happen: func(path string) error { return os.WriteFile(filepath.Dir(path)+"/.cat.capwise-1", nil, 0o600) }, want: "cap_net_bind_service=p|cap_net_bind_service=ei", left: 3},
		"capabilities were changed, meanwhile": {happen: func(path string) error {
			return errors.Join(os.WriteFile(path+".capwise", nil, 0o755), setText(path+".capwise", "cap_net_raw=ei"))
		}, want: was + "|cap_net_raw=ei", left: 2},
		"another file has taken its place": {happen: func(path string) error { return os.Rename(path, path+"2") }, want: "|", left: 1},
		"it was written to": {owners: fix.ChownRoot, before: func(path string) error {
			return errors.Join(os.Chown(path, 1001, 0), setText(path, was))
		}, happen: func(path string) error { return setText(path, "cap_net_raw=ep") }, want: "cap_net_raw=ep|", left: 1},
		"or its capabilities were changed": {happen: func(path string) error { return setText(path, "cap_net_raw=ep") }, want: "cap_net_bind_service=p|cap_net_raw=ep", left: 2},
	} {
		path := dumb(t, was)
		if tc.before != nil {
			if err := tc.before(path); err != nil {
				t.Fatal(err)
			}
		}
		o := launcherOptions(t)
		o.Owners = tc.owners
		launcher := o.Launcher
		o.Launcher = func(arch string) ([]byte, error) {
			if tc.happen != nil {
				if err := tc.happen(path); err != nil {
					t.Fatal(err)
				}
			}
			return launcher(arch)
		}
		c, err := apply(t, path, o)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", says, c, err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if got := carried(path) + "|" + carried(path+".capwise"); err != nil || len(left) != tc.left || got != tc.want {
			t.Errorf("%s: there is %v, with %s", says, left, got)
		}
	}
}

// locked makes a temporary file for the program that another run has locked.
func locked(t *testing.T, path string) error {
	f, err := os.Create(filepath.Dir(path) + "/.cat.capwise-other")
	if err != nil {
		return err
	}
	t.Cleanup(func() { f.Close() })
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// TestRollback holds that a launcher that can't be put in place leaves all as it was: a
// rename over what is a mount point fails.
func TestRollback(t *testing.T) {
	need.Root(t)
	const was = "cap_net_bind_service=ep"
	o := launcherOptions(t)
	launcher := o.Launcher
	for name, tc := range map[string]struct {
		owners fix.Owners
		before func(path string) error
		target string
		left   int
	}{
		"linked": {"", func(string) error { return nil }, "", 1},
		"half":   {"", func(path string) error { return os.Link(path, path+".capwise") }, was, 2},
		"copied": {fix.ChownRoot, func(path string) error { return errors.Join(os.Chown(path, 1001, 0), setText(path, was)) }, "", 1},
		"copied over half": {fix.ChownRoot, func(path string) error {
			return errors.Join(os.Chown(path, 1001, 0), setText(path, was), os.Link(path, path+".capwise"))
		}, "", 1},
	} {
		path := dumb(t, was)
		if err := tc.before(path); err != nil {
			t.Fatal(err)
		}
		o.Owners = tc.owners
		done := make(chan error)
		go func() { // on a thread with mounts of its own, which ends
			runtime.LockOSThread()
			if err := errors.Join(syscall.Unshare(syscall.CLONE_NEWNS), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")); err != nil {
				t.Error(err)
			}
			o.Launcher = func(arch string) ([]byte, error) {
				if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
					return nil, err
				}
				return launcher(arch)
			}
			_, err := apply(t, path, o)
			done <- err
		}()
		if err := <-done; !errors.Is(err, syscall.EBUSY) {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != tc.left || carried(path) != was || carried(path+".capwise") != tc.target {
			t.Errorf("%s: there is %v, with %s and %s", name, left, carried(path), carried(path+".capwise"))
		}
	}
}

// TestStale checks which files beside a program count as what a killed run left.
func TestStale(t *testing.T) {
	need.Root(t)
	path := dumb(t, "")
	if err := errors.Join(os.Chown(path, 1001, 0), setText(path, "cap_net_bind_service=ep")); err != nil {
		t.Fatal(err)
	}
	for name, uid := range map[string]int{"root": 0, "owner": 1001, "other": 1002} {
		tmp := filepath.Dir(path) + "/.cat.capwise-" + name
		if err := errors.Join(os.WriteFile(tmp, nil, 0o600), os.Chown(tmp, uid, 0)); err != nil {
			t.Fatal(err)
		}
	}
	o := launcherOptions(t)
	o.Owners = fix.MayHaveIt
	if _, err := apply(t, path, o); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Dir(path) + "/.*"); err != nil || len(left) != 1 || filepath.Base(left[0]) != ".cat.capwise-other" {
		t.Errorf("left: %q, %v", left, err)
	}
}

// carried is what a file carries; "" for nothing, and where there is none.
func carried(path string) string {
	caps, err := filecap.Get(path)
	if err != nil {
		return ""
	}
	return caps.String()
}
