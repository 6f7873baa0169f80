package held

import "testing"

// TestLedBy holds where a mount point is what led to a file: below a folder whose
// way, or in which, others can put something; and only the first such place counts.
func TestLedBy(t *testing.T) {
	const mount = "/a/b is a mount point"
	for name, tc := range map[string]struct {
		d       Folder
		open    bool // others can add to it
		crossed bool
		want    string
	}{
		"no mount":          {d: Folder{exposed: "/a"}, open: true},
		"mount":             {crossed: true},
		"exposed":           {d: Folder{exposed: "/a"}, crossed: true, want: mount},
		"open":              {open: true, crossed: true, want: mount},
		"led there already": {d: Folder{exposed: "/a", led: "/a is a symbolic link"}, crossed: true, want: "/a is a symbolic link"},
	} {
		tc.d.stat.Mode = 0o40755
		if tc.open {
			tc.d.stat.Mode = 0o40777
		}
		if got := tc.d.ledBy("/a/b", tc.crossed); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
