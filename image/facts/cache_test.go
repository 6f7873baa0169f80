package facts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

func builderOf(t testing.TB, items ...*Item) *Builder {
	t.Helper()
	b := NewBuilder()
	for _, i := range items {
		if _, err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func digestOf(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// cache opens one in a folder that is new.
func cache(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := OpenCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestCache keeps facts, finds them again through another Cache, and clears them.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	c := cache(t, dir)
	if c.Layer(digestOf("a")) != nil {
		t.Error("facts of a layer that nobody has read")
	}
	made, err := c.Finish(builderOf(t, &Item{Path: "/bin/a", Mode: 0o755}), digestOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	l := cache(t, dir).Layer(digestOf("a"))
	if l == nil || !l.Has("/bin/a") {
		t.Fatalf("got %+v", l)
	}
	defer l.Close()
	for _, digest := range []string{digestOf("b"), "", "sha256:../../x", "md5:" + strings.Repeat("a", 64)} {
		if c.Layer(digest) != nil {
			t.Errorf("%q has facts", digest)
		}
		unkept, err := c.Finish(builderOf(t, &Item{Path: "/x"}), digest)
		if err != nil || !unkept.Has("/x") {
			t.Errorf("%q: %v", digest, err)
		}
		unkept.Close()
	}
	if u, err := c.Usage(); err != nil || u.Layers != 2 || u.Bytes == 0 || u.Dir != dir {
		t.Errorf("%+v, %v", u, err)
	}
	if err := c.Clear(); err != nil {
		t.Error(err)
	}
	if u, err := c.Usage(); err != nil || u.Layers != 0 || u.Bytes != 0 {
		t.Errorf("cleared: %+v, %v", u, err)
	}
	if !l.Has("/bin/a") {
		t.Error("who uses facts loses them")
	}
}

// TestCacheBounded holds a cache to its size: what was used last stays.
func TestCacheBounded(t *testing.T) {
	defer func(l limit.Limit) { limit.Cache = l }(limit.Cache)
	dir := t.TempDir()
	c := cache(t, dir)
	for _, digit := range []string{"a", "b", "c"} {
		l, err := c.Finish(builderOf(t, &Item{Path: "/" + digit}), digestOf(digit))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	u, err := c.Usage()
	if err != nil {
		t.Fatal(err)
	}
	limit.Cache.Most = u.Bytes / 3 * 2
	if l := c.Layer(digestOf("a")); l == nil {
		t.Fatal("it is gone")
	} else {
		l.Close()
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = cache(t, dir)
	if l := c.Layer(digestOf("a")); l == nil {
		t.Error("what was used last is gone")
	} else {
		l.Close()
	}
	if u, err := c.Usage(); err != nil || u.Bytes > limit.Cache.Most {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestCacheForeign refuses a folder that others could write to.
func TestCacheForeign(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{open, filepath.Join(dir, "link")} {
		if _, err := OpenCache(name); !errors.Is(err, errForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if os.Geteuid() == 0 {
		other := filepath.Join(dir, "other")
		if err := errors.Join(os.Mkdir(other, 0o700), os.Chown(other, 1, 1)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{other, filepath.Join(other, ".cache", "capwise")} {
			if _, err := OpenCache(name); !errors.Is(err, errForeign) {
				t.Errorf("another user's %s: %v", name, err)
			}
		}
		if _, err := os.Lstat(filepath.Join(other, ".cache")); err == nil {
			t.Error("root has made a folder in another user's")
		}
	}
}

// TestCacheAtOnce lets many keep and clear the same facts.
func TestCacheAtOnce(t *testing.T) {
	dir := t.TempDir()
	var g sync.WaitGroup
	for range 8 {
		c := cache(t, dir)
		g.Go(func() {
			for i := range 30 {
				l := c.Layer(digestOf("a"))
				if l == nil {
					var err error
					if l, err = c.Finish(builderOf(t, &Item{Path: "/bin/a"}), digestOf("a")); err != nil {
						t.Error(err)
						return
					}
				}
				if !l.Has("/bin/a") {
					t.Error("other facts")
				}
				l.Close()
				if i%7 == 0 {
					if err := c.Clear(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	g.Wait()
}

// FuzzOpen reads facts that anybody may have written.
func FuzzOpen(f *testing.F) {
	name := filepath.Join(f.TempDir(), "facts")
	file, err := os.Create(name)
	if err != nil {
		f.Fatal(err)
	}
	b := builderOf(f, &Item{Path: "/bin/a", Mode: 0o755, Attribute: []byte(effective)}, &Item{Path: "/l", Link: "x"})
	if err := errors.Join(b.finish(file, ""), file.Close()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if l, err := open(file, ""); err == nil {
			s := Stack{l}
			s.Capable()
			_, _ = s.Stat("/bin/a")
			l.Hides("/l/x")
		}
	})
}
