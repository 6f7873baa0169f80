package launch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestStickyTarget holds that the sticky bit, which keeps others from replacing
// what is in a folder, excuses no program that others can write to.
func TestStickyTarget(t *testing.T) {
	need.Root(t)
	path := filepath.Join(kerneltest.PublicDir(t, ""), "prog")
	check(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))
	c := launch.Config{Target: path}
	check(t, c.Check(path))
	for _, mode := range []os.FileMode{0o757, 0o775, 0o777, 0o757 | os.ModeSticky, 0o775 | os.ModeSticky, 0o777 | os.ModeSticky} {
		check(t, os.Chmod(path, mode))
		if err := c.Check(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v: got %v, want it refused", mode, err)
		}
	}
}
