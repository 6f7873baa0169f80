//go:build linux

package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestSweep holds what is removed: what a run has left that is no more, and nothing
// that is in use, another's, a link, or in a folder where others put names.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	live, err := Beside(path)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := FolderBeside(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(".a.capwise-1")
	put(".b.capwise-1")
	put(".a.capwise-x")
	put("a.capwise-1")
	if err := os.MkdirAll(filepath.Join(dir, ".a.capwise-2/x/y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.capwise-1", filepath.Join(dir, ".a.capwise-3")); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		put(".a.capwise-4")
		if err := os.Chown(filepath.Join(dir, ".a.capwise-4"), 1001, 1001); err != nil {
			t.Fatal(err)
		}
	}
	before := names(t, dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	beside(path)
	if now := names(t, dir); now != before {
		t.Errorf("swept where others put names: %s, before %s", now, before)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	beside(path)
	want := strings.ReplaceAll(strings.ReplaceAll(before, ".a.capwise-1 ", ""), ".a.capwise-2 ", "")
	if now := names(t, dir); now != want {
		t.Errorf("left are %s, want %s", now, want)
	}
	if err := errors.Join(live.MoveTo(path), live.Remove(), folder.Remove()); err != nil {
		t.Fatal(err)
	}
	if now := names(t, dir); !strings.HasSuffix(now, " a a.capwise-1") || strings.Contains(now, filepath.Base(folder.Name())) {
		t.Errorf("moved and removed: %s", now)
	}
}

// TestUndo holds that what is committed is not undone, and what is not is, once.
func TestUndo(t *testing.T) {
	done := 0
	undo := OnAbandon(func() { done++ })
	if err := Commit(func() error { return fs.ErrInvalid }, undo); !errors.Is(err, fs.ErrInvalid) {
		t.Fatal(err)
	}
	undo.Do()
	undo.Do()
	if done != 1 {
		t.Errorf("undone %d times, want once", done)
	}
	undo = OnAbandon(func() { done++ })
	if err := Commit(func() error { return nil }, undo); err != nil {
		t.Fatal(err)
	}
	undo.Do()
	if done != 1 || len(pending.list) != 0 {
		t.Errorf("what is committed is undone: %d, %d are pending", done, len(pending.list))
	}
}

// TestFile holds that a file has no name.
func TestFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f, err := File()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 5); err != nil {
		t.Error(err)
	}
	if n := names(t, os.TempDir()); n != "" {
		t.Errorf("it has the name %s", n)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]bool{".a.capwise-12": true, "capwise-12": false, ".capwise-1": false, ".a.capwise-": false, ".a.capwise-1x": false} {
		if Left(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
