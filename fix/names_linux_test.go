package fix_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/need"
)

// TestAnotherName holds that a file of the system does not change by a hard link in a
// folder in which others could have made it, be it sticky or trusted; and that two
// names of a run that was killed do not count.
func TestAnotherName(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	for name, tc := range map[string]struct {
		set     func(dir string) error
		refused bool
	}{
		"sticky":    {func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, true},
		"another's": {func(dir string) error { return os.Chown(dir, 1001, 0) }, true},
		"root's":    {func(string) error { return nil }, false},
	} {
		for _, mode := range []fix.Mode{fix.Auto, fix.Permitted, fix.Strip, fix.Launcher} {
			path := dumb(t, "cap_net_bind_service=ep")
			dir := filepath.Join(filepath.Dir(path), "in")
			if err := errors.Join(os.Mkdir(dir, 0o755), tc.set(dir), os.Link(path, dir+"/cat"), os.Link(path, dir+"/cat.capwise")); err != nil {
				t.Fatal(err)
			}
			o.Mode, o.TrustTree = mode, true
			c, err := apply(t, dir+"/cat", o)
			got := text(t, path)
			if tc.refused && (!errors.Is(err, fix.ErrExposed) || got != "cap_net_bind_service=ep") {
				t.Errorf("%s, %s: %+v, %v; it carries %q", name, mode, c, err, got)
			}
			if !tc.refused && mode == fix.Permitted && (err != nil || got != "cap_net_bind_service=p") {
				t.Errorf("%s, %s: %+v, %v; it carries %q", name, mode, c, err, got)
			}
		}
	}
	path := dumb(t, "cap_net_bind_service=ep")
	dir := filepath.Dir(path)
	o.TrustTree, o.Mode = false, fix.Launcher
	if err := errors.Join(os.Chmod(dir, 0o777|os.ModeSticky), os.Link(path, path+".capwise"), os.Link(path, dir+"/.cat.capwise-link")); err != nil {
		t.Fatal(err)
	}
	if c, err := apply(t, path, o); err != nil || c.Placed == nil {
		t.Errorf("unfinished: %+v, %v", c, err)
	}
}

// TestAnotherTarget holds the same of what lies where a launcher has its program.
func TestAnotherTarget(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	path, other := dumb(t, "cap_net_bind_service=ep"), dumb(t, "cap_net_bind_service=ep")
	if _, err := apply(t, path, o); err != nil {
		t.Fatal(err)
	}
	target := path + ".capwise"
	if err := errors.Join(os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky), os.Remove(target), os.Link(other, target)); err != nil {
		t.Fatal(err)
	}
	if c, err := apply(t, path, o); !errors.Is(err, fix.ErrExposed) || text(t, other) != "cap_net_bind_service=ep" {
		t.Errorf("%+v, %v; the other file carries %q", c, err, text(t, other))
	}
}
