package fix_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/need"
)

func file(t *testing.T, caps string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o750); err != nil {
		t.Fatal(err)
	}
	if caps != "" {
		c, err := filecap.FromText(caps)
		if err != nil {
			t.Fatal(err)
		}
		if err := filecap.Set(path, c); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// apply fixes the file at path.
func apply(t *testing.T, path string, o fix.Options) (fix.Change, error) {
	t.Helper()
	f, err := held.Open(path)
	if err != nil {
		return fix.Change{}, err
	}
	defer f.Close()
	return fix.File(f, o)
}

// TestFile holds what each mode makes of a file, that a dry run does nothing, and
// that a second one has nothing to do.
func TestFile(t *testing.T) {
	need.Root(t)
	for _, tc := range []struct {
		old  string
		mode fix.Mode
		now  string
	}{
		{"cap_net_bind_service=ep", fix.Permitted, "cap_net_bind_service=p"},
		{"cap_net_bind_service,cap_net_admin=ep", fix.Permitted, "cap_net_bind_service,cap_net_admin=p"},
		{"cap_net_raw=eip", fix.Permitted, "cap_net_raw=ip"},
		{"cap_net_raw=ei", fix.Permitted, "cap_net_raw=ei"}, // which always starts
		{"cap_net_bind_service=p", fix.Permitted, "cap_net_bind_service=p"},
		{"cap_net_bind_service=ep", fix.Strip, ""},
		{"=", fix.Strip, ""},
		{"", fix.Permitted, ""},
		{"", fix.Strip, ""},
	} {
		path := file(t, tc.old)
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, dry := range []bool{true, false} {
			c, err := apply(t, path, fix.Options{Mode: tc.mode, DryRun: dry})
			if err != nil || c.Old != tc.old || c.New != tc.now {
				t.Errorf("%q, %s, dry %t: %+v, %v; want %q", tc.old, tc.mode, dry, c, err, tc.now)
			}
			want := tc.now
			if dry {
				want = tc.old
			}
			if got := text(t, path); got != want {
				t.Errorf("%q, %s, dry %t: carries %q, want %q", tc.old, tc.mode, dry, got, want)
			}
		}
		if c, err := apply(t, path, fix.Options{Mode: tc.mode}); err != nil || c.Needed() {
			t.Errorf("%q, %s: a second run does %+v, %v", tc.old, tc.mode, c, err)
		}
		after, err := os.Lstat(path)
		if err != nil || !after.ModTime().Equal(before.ModTime()) || after.Mode() != before.Mode() || !os.SameFile(before, after) {
			t.Errorf("%q, %s: was %v, is %v, %v", tc.old, tc.mode, before, after, err)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	caps, err := filecap.Get(path)
	if errors.Is(err, filecap.ErrNone) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return caps.String()
}

func TestRefuses(t *testing.T) {
	need.Root(t)
	path := file(t, "cap_net_raw=ep")
	link := path + "-link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	foreign := file(t, "")
	caps, err := filecap.FromText("cap_net_raw=ep")
	if err != nil {
		t.Fatal(err)
	}
	caps.Revision, caps.RootID = filecap.V3, 100000
	if err := filecap.Set(foreign, caps); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{path + "-none": os.ErrNotExist, foreign: fix.ErrForeign} {
		if _, err := apply(t, name, fix.Options{Mode: fix.Permitted}); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	// A link that nobody else could have put there leads to its file.
	if c, err := apply(t, link, fix.Options{Mode: fix.Permitted}); err != nil || !c.Needed() || text(t, path) != "cap_net_raw=p" {
		t.Errorf("%+v, %v; the file carries %q", c, err, text(t, path))
	}
}

// TestExposed holds that nothing is changed that others could swap, that the error
// names the folder, and that --trust-tree is a way out.
func TestExposed(t *testing.T) {
	need.Root(t)
	for name, expose := range map[string]func(dir string) error{
		"writable": func(dir string) error { return os.Chmod(dir, 0o777) },
		"group":    func(dir string) error { return os.Chmod(dir, 0o770) },
		"foreign":  func(dir string) error { return os.Chown(dir, 1001, 0) },
		"sticky, and the file is another's": func(dir string) error {
			return errors.Join(os.Chmod(dir, 0o777|os.ModeSticky), os.Chown(filepath.Join(dir, "file"), 1001, 0), setText(filepath.Join(dir, "file"), "cap_net_raw=ep"))
		},
	} {
		for _, mode := range []fix.Mode{fix.Permitted, fix.Strip} {
			path := file(t, "cap_net_raw=ep")
			if err := expose(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			for _, dry := range []bool{true, false} {
				_, err := apply(t, path, fix.Options{Mode: mode, DryRun: dry})
				if !errors.Is(err, fix.ErrExposed) || !strings.Contains(err.Error(), filepath.Dir(path)+" belongs") || text(t, path) != "cap_net_raw=ep" {
					t.Errorf("%s, %s: %v; carries %q", name, mode, err, text(t, path))
				}
			}
			if _, err := apply(t, path, fix.Options{Mode: mode, TrustTree: true}); err != nil || text(t, path) == "cap_net_raw=ep" {
				t.Errorf("%s, %s, trusted: %v; carries %q", name, mode, err, text(t, path))
			}
		}
	}
	// Where a link leads that others can change, nothing is trusted.
	led := file(t, "cap_net_raw=ep")
	dir := t.TempDir()
	if err := errors.Join(os.Symlink(led, dir+"/link"), os.Symlink(filepath.Dir(led), dir+"/folder"), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + "/link", dir + "/folder/file"} {
		_, err := apply(t, path, fix.Options{Mode: fix.Permitted, TrustTree: true})
		if !errors.Is(err, fix.ErrExposed) || !strings.Contains(err.Error(), "is a symbolic link that somebody else") || text(t, led) != "cap_net_raw=ep" {
			t.Errorf("%s: %v; carries %q", path, err, text(t, led))
		}
	}
	path := file(t, "cap_net_raw=ep")
	if err := os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, path, fix.Options{Mode: fix.Permitted}); err != nil {
		t.Errorf("root's file in a sticky folder: %v", err)
	}
}

func setText(path, caps string) error {
	c, err := filecap.FromText(caps)
	if err != nil {
		return err
	}
	return filecap.Set(path, c)
}

// TestFrozen holds that a file which somebody has open for writing gets no
// capabilities: what he writes takes them away, and must not get them back.
func TestFrozen(t *testing.T) {
	need.Root(t)
	path := file(t, "")
	if err := errors.Join(os.Chown(path, 1001, 1001), setText(path, "cap_net_raw=ep")); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := apply(t, path, fix.Options{Mode: fix.Permitted}); err == nil || !strings.Contains(err.Error(), "open for writing") {
		t.Errorf("open for writing: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := apply(t, path, fix.Options{Mode: fix.Permitted}); err != nil || text(t, path) != "cap_net_raw=p" {
		t.Errorf("%+v, %v; carries %q", c, err, text(t, path))
	}
}
