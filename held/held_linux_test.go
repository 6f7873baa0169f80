package held_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/need"
)

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestExposed holds which folders on the way count as ones in which others can swap
// names.
func TestExposed(t *testing.T) {
	need.Root(t)
	for name, tc := range map[string]struct {
		set  func(dir string) error // DIR/in/file
		path string
		want string // below DIR; "" for not exposed
	}{
		"root's":                {func(string) error { return nil }, "in/file", ""},
		"a folder of another's": {func(d string) error { return os.Chown(d+"/in", 7, 0) }, "in/file", "/in"},
		"above it":              {func(d string) error { return os.Chown(d, 7, 0) }, "in/file", "/"},
		"group may write":       {func(d string) error { return os.Chmod(d+"/in", 0o775) }, "in/file", "/in"},
		"sticky":                {func(d string) error { return os.Chmod(d+"/in", 0o777|os.ModeSticky) }, "in/file", ""},
		"sticky, a file of another's": {func(d string) error {
			return errors.Join(os.Chmod(d+"/in", 0o777|os.ModeSticky), os.Lchown(d+"/in/file", 7, 0))
		}, "in/file", "/in"},
		"sticky, a folder of another's": {func(d string) error { return errors.Join(os.Chmod(d, 0o777|os.ModeSticky), os.Lchown(d+"/in", 7, 0)) }, "in/file", "/"},
		"a link of root's":              {func(d string) error { return os.Symlink("in", d+"/link") }, "link/file", ""},
		"a link to a file":              {func(d string) error { return os.Symlink(d+"/in/file", d+"/link") }, "link", ""},
		"a link in another's folder": {func(d string) error {
			return errors.Join(os.Mkdir(d+"/u", 0o755), os.Symlink("../in", d+"/u/link"), os.Chown(d+"/u", 7, 0))
		}, "u/link/file", "/u"},
		"an absolute link in it": {func(d string) error {
			return errors.Join(os.Mkdir(d+"/u", 0o755), os.Symlink(d+"/in/file", d+"/u/link"), os.Chown(d+"/u", 7, 0))
		}, "u/link", "/u"},
		"another's link in a sticky one": {func(d string) error {
			return errors.Join(os.Chmod(d, 0o777|os.ModeSticky), os.Symlink("in", d+"/link"), os.Lchown(d+"/link", 7, 0))
		}, "link/file", "/"},
		"up and down": {func(d string) error {
			return errors.Join(os.Mkdir(d+"/u", 0o755), os.Symlink("../in/../u/../in", d+"/u/l"))
		}, "u/l/file", ""},
	} {
		dir := t.TempDir()
		check(t, os.Mkdir(dir+"/in", 0o755), os.WriteFile(dir+"/in/file", nil, 0o644), tc.set(dir))
		f, err := held.Open(filepath.Join(dir, tc.path))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := ""
		if tc.want != "" {
			want = filepath.Join(dir, tc.want)
		}
		if f.Exposed() != want || f.RealPath() != dir+"/in/file" {
			t.Errorf("%s: %s is exposed in %q, want %q", name, f.RealPath(), f.Exposed(), want)
		}
		check(t, f.Close())
	}
}

// TestNotRegular holds that nothing else than a regular file is opened: no FIFO
// waits, no device starts, no link is followed that is not asked for.
func TestNotRegular(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	check(t, syscall.Mkfifo(dir+"/fifo", 0o644), syscall.Mknod(dir+"/device", syscall.S_IFCHR|0o644, 1<<8|3), os.Mkdir(dir+"/folder", 0o755),
		os.WriteFile(dir+"/file", nil, 0o644), os.Symlink("file", dir+"/link"), os.Symlink("loop", dir+"/loop"))
	d, err := held.OpenFolder(dir)
	check(t, err)
	defer d.Close()
	for _, name := range []string{"fifo", "device", "folder", "link"} {
		if f, err := d.Open(name); !errors.Is(err, held.ErrNotRegular) || !strings.Contains(err.Error(), dir+"/"+name) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if _, err := held.Open(dir + "/loop"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("loop: %v", err)
	}
	if _, err := held.OpenFolder(dir + "/file"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file as a folder: %v", err)
	}
	if _, err := held.Open(dir + "/nothing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

// TestSwapped holds that a file stays the one that it was, whatever becomes of its
// name, and that nothing is done to another one under that.
func TestSwapped(t *testing.T) {
	need.Root(t)
	for name, swap := range map[string]func(path string) error{
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("new"), 0o644)) },
		"a link":   func(path string) error { return errors.Join(os.Remove(path), os.Symlink("other", path)) },
		"gone":     os.Remove,
	} {
		dir := t.TempDir()
		path := dir + "/file"
		check(t, os.WriteFile(path, []byte("old"), 0o644), os.WriteFile(dir+"/other", []byte("other"), 0o644))
		f, err := held.Open(path)
		check(t, err, swap(path))
		before, err := os.ReadDir(dir)
		check(t, err)
		if c, err := f.Content(); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if text := make([]byte, 3); true {
			if n, err := c.ReadAt(text, 0); err != nil || string(text[:n]) != "old" {
				t.Errorf("%s: it reads %q, %v", name, text, err)
			}
		}
		for what, err := range map[string]error{"still": f.Still(), "rename": f.Rename("to"), "remove": f.Remove()} {
			if !errors.Is(err, held.ErrSwapped) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		after, err := os.ReadDir(dir)
		if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%s: %v became %v, %v", name, before, after, err)
		}
		check(t, f.Close())
	}
}

// TestOtherNames holds that names that have come and gone can't hide another one.
func TestOtherNames(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/a", nil, 0o644), os.Link(dir+"/a", dir+"/b"), os.Link(dir+"/a", dir+"/c"), os.WriteFile(dir+"/d", nil, 0o644))
	f, err := held.Open(dir + "/a")
	check(t, err)
	defer f.Close()
	for _, tc := range []struct {
		known []string
		want  int
	}{{nil, 2}, {[]string{"b"}, 1}, {[]string{"b", "c"}, 0}, {[]string{"d", "nothing"}, 2}} {
		if n, err := f.OtherNames(tc.known...); err != nil || n != tc.want {
			t.Errorf("besides %q: %d, %v, want %d", tc.known, n, err, tc.want)
		}
	}
	check(t, os.Remove(dir+"/a"), os.Link(dir+"/b", dir+"/a"))
	if n, err := f.OtherNames(); !errors.Is(err, held.ErrSwapped) {
		t.Errorf("a name that was gone meanwhile: %d, %v", n, err)
	}
}

// TestTemporary holds that a temporary file is locked for as long as it is open, and
// what becomes of it.
func TestTemporary(t *testing.T) {
	dir := t.TempDir()
	d, err := held.OpenFolder(dir)
	check(t, err)
	defer d.Close()
	tmp, err := d.Create(".x-")
	check(t, err)
	f, err := held.Open(filepath.Join(dir, tmp.Held().Name()))
	check(t, err)
	defer f.Close()
	if free, err := f.Lock(); err != nil || free {
		t.Errorf("while it is open: free %t, %v", free, err)
	}
	check(t, tmp.Held().Rename("y"), tmp.Close())
	if free, err := f.Lock(); err != nil || !free {
		t.Errorf("afterwards: free %t, %v", free, err)
	}
	other, err := d.Create(".x-")
	check(t, err)
	check(t, other.Discard())
	if names, err := d.Names(); err != nil || fmt.Sprint(names) != "[y]" {
		t.Errorf("the folder has %q, %v", names, err)
	}
}

// TestNoProc holds that without /proc an error says what is missing.
func TestNoProc(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/file", nil, 0o644))
	done := make(chan error)
	go func() { // on a thread with mounts of its own, which ends
		done <- func() error {
			runtime.LockOSThread()
			err := errors.Join(syscall.Unshare(syscall.CLONE_NEWNS), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
				syscall.Mount("none", "/proc", "tmpfs", 0, ""))
			if err != nil {
				return err
			}
			_, err = held.Open(dir + "/file")
			return err
		}()
	}()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "needs the process file system at /proc") {
		t.Error(err)
	}
}
