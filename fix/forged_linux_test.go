package fix_test

import (
	"errors"
	"os"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestForged holds that a launcher which says that it was made for more than it
// carries gets nothing by that: whoever owns it can have it say so and keep what it
// carries, by writing through a shared mapping.
func TestForged(t *testing.T) {
	need.Root(t)
	o := launcherOptions(t)
	const setuid = capset.Set(1 << capset.Setuid)
	for name, tc := range map[string]struct {
		c      launch.Config
		behind string
	}{
		"another":         {launch.Config{Caps: launch.Caps{Prefer: setuid}, Owner: 1001}, ""},
		"another by file": {launch.Config{Caps: launch.Caps{Prefer: setuid}, Owner: 1001, By: launch.File}, "cap_net_bind_service=ei"},
		"one more":        {launch.Config{Caps: launch.Caps{Prefer: bind | setuid}, Owner: 1001}, "cap_net_bind_service=ei"},
		"one more, and the program as it was": {
			launch.Config{Caps: launch.Caps{Prefer: bind | setuid}, Owner: 1001, By: launch.File}, "cap_net_bind_service=ep",
		},
	} {
		for carried, mode := range map[string]fix.Mode{"cap_net_bind_service=p": fix.Auto, "cap_net_bind_service=ep": fix.Launcher} {
			path := dumb(t, "cap_net_bind_service=ep")
			if _, err := apply(t, path, o); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tc.c.Target = path + launch.TargetSuffix
			if content, err = launch.Stamp(content, tc.c); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.WriteFile(path, content, 0o755), setText(path, carried), os.Chown(tc.c.Target, 0, 0)); err != nil {
				t.Fatal(err)
			}
			if tc.behind != "" {
				if err := setText(tc.c.Target, tc.behind); err != nil {
					t.Fatal(err)
				}
			}
			o.Mode = mode
			c, err := apply(t, path, o)
			if got := text(t, path); err == nil || got != carried || text(t, tc.c.Target) != tc.behind {
				t.Errorf("%s: %+v, %v; carries %s, and its program %s", name, c, err, got, text(t, tc.c.Target))
			}
		}
	}
}
