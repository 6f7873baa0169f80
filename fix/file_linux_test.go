package fix_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
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
			c, err := fix.File(path, tc.mode, dry)
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
		if c, err := fix.File(path, tc.mode, false); err != nil || c.Needed() {
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
	for name, want := range map[string]error{link: syscall.ELOOP, path + "-none": os.ErrNotExist, foreign: fix.ErrForeign} {
		if _, err := fix.File(name, fix.Permitted, false); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
