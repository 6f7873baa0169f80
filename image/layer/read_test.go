package layer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/store"

	"github.com/capwise/capwise/internal/limit"
)

var (
	kinds = []compression.Kind{compression.None, compression.Gzip, compression.Zstd}
	ways  = []string{asFile, asStream, asUnknown}
)

// TestRead reads one layer in all forms, checks its digest, and keeps its facts by that.
func TestRead(t *testing.T) {
	content := archive(t, file{name: "bin/a", content: strings.Repeat("a", 100_000), records: map[string]string{schily: permittedCaps}}, file{name: "etc/x"})
	want := []string{fmt.Sprintf("[/bin/a] %q", permittedCaps)}
	for _, kind := range kinds {
		for _, comes := range ways {
			for _, digest := range []func([]byte) string{store.Digest256, store.Digest512, func([]byte) string { return "" }} {
				cache := newCache(t)
				raw := packed(t, kind, content)
				b := &blob{content: raw, key: digest(raw), comes: comes}
				for range 2 {
					l, err := NewReader(cache, nil, limit.Entries).Facts(b)
					if err != nil {
						t.Fatalf("%s, %s: %v", kind, comes, err)
					}
					if got := capable(l); !slices.Equal(got, want) {
						t.Errorf("%s, %s: got %q", kind, comes, got)
					}
					_ = l.Close()
				}
				opened, kept := 1, 1
				if b.key == "" {
					opened, kept = 2, 0
				}
				if u, err := cache.Usage(); err != nil || u.Layers != kept || b.opened != opened {
					t.Errorf("%s, %s, key %q: opened %d times, %d kept, %v", kind, comes, b.key, b.opened, u.Layers, err)
				}
			}
		}
	}
}

func newCache(t *testing.T) *facts.Cache {
	t.Helper()
	c, err := facts.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestDigest holds that a layer with another digest is an error, and that nothing is kept
// of it: neither by the digest that it should have nor by its own.
func TestDigest(t *testing.T) {
	for _, kind := range kinds {
		for _, comes := range ways {
			raw := packed(t, kind, archive(t, file{name: "a", content: "x"}))
			// What follows an archive counts, too.
			want, got := store.Digest256(raw), append(bytes.Clone(raw), make([]byte, 1<<20)...)
			if kind == compression.Gzip {
				got = append(bytes.Clone(raw), raw...)
			}
			cache := newCache(t)
			reader := NewReader(cache, nil, limit.Entries)
			b := &blob{content: got, key: want, comes: comes}
			l, err := reader.Read(b)
			if err == nil {
				_ = l.Close()
			}
			if kind != compression.Zstd || err == nil { // which has an error of its own
				if says := fmt.Sprintf("want digest %s, got %s", want, store.Digest256(got)); err == nil || err.Error() != says {
					t.Errorf("%s, %s: got %v, want %s", kind, comes, err, says)
				}
			}
			known, errKnown := reader.Known(b)
			if u, err := cache.Usage(); err != nil || u.Layers != 0 || known != nil || errKnown != nil {
				t.Errorf("%s, %s: %d layers are kept, %v", kind, comes, u.Layers, err)
			}
		}
	}
}

// TestAttributes holds which of the records is the attribute.
func TestAttributes(t *testing.T) {
	coded := func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		name    string
		records map[string]string
		want    string
	}{
		{"none", nil, ""},
		{"GNU tar's", map[string]string{schily: permittedCaps}, permittedCaps},
		{"bsdtar's", map[string]string{libarchive: coded(permittedCaps)}, permittedCaps},
		{"bsdtar's with padding", map[string]string{libarchive: base64.StdEncoding.EncodeToString([]byte(permittedCaps))}, permittedCaps},
		{"both", map[string]string{schily: permittedCaps, libarchive: coded(effectiveCaps)}, permittedCaps},
		{"no base64", map[string]string{libarchive: "!!!"}, "!!!"},
		{"of no sense", map[string]string{schily: "abc"}, "abc"},
		{"another attribute", map[string]string{"SCHILY.xattr.user.x": "abc"}, ""},
	} {
		content := archive(t, file{name: "a", records: c.records})
		var want []string
		if c.want != "" {
			want = []string{fmt.Sprintf("[/a] %q", c.want)}
		}
		if got := capable(read(t, content)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
		e, err := NewReader(nil, nil, limit.Entries).ReadEditable(section(content), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(e.Entries); n != len(want) {
			t.Errorf("%s: %d entries", c.name, n)
		}
		for _, entry := range e.Entries {
			if _, err := entry.Caps(); (err == nil) != (len(c.want) == len(permittedCaps)) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		_ = e.Close()
		_ = e.Facts.Close()
	}
}

// TestLinks holds that a hard link with the attribute gives it to its file.
func TestLinks(t *testing.T) {
	with := map[string]string{schily: permittedCaps}
	for _, c := range []struct {
		name    string
		files   []file
		want    []string
		program bool // it was looked into
	}{
		{"both have it", []file{{name: "a", content: "x", records: with}, {name: "b", hard: "a", records: with}}, []string{"[/a /b]"}, true},
		{"the file has it", []file{{name: "a", content: "x", records: with}, {name: "b", hard: "a"}}, []string{"[/a /b]"}, true},
		{"the link has it", []file{{name: "a", content: "x"}, {name: "b", hard: "a", records: with}}, []string{"[/a /b]"}, false},
		{"a file of a layer below", []file{{name: "b", hard: "a", records: with}}, []string{"[/b]"}, false},
	} {
		l := read(t, archive(t, c.files...))
		var got []string
		for _, file := range l.Capable() {
			got = append(got, fmt.Sprint(file.Names))
			if string(file.Attribute) != permittedCaps || (file.Program != nil) != c.program {
				t.Errorf("%s: attribute %q, program %v", c.name, file.Attribute, file.Program)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSparse holds that a sparse file is not looked into, and that what follows it is.
func TestSparse(t *testing.T) {
	records := map[string]string{schily: permittedCaps, "XNU.sparse.major": "1", "XNU.sparse.minor": "0", "XNU.sparse.name": "s", "XNU.sparse.realsize": "2000"}
	content := archive(t, file{name: "GNUSparseFile.0/s", content: "1\n0\n512\n" + strings.Repeat("\x00", 504) + strings.Repeat("x", 512), records: records},
		file{name: "b", content: "\x7fELF", records: map[string]string{schily: effectiveCaps}})
	content = bytes.ReplaceAll(content, []byte("XNU.sparse"), []byte("GNU.sparse")) // which archive/tar does not write
	seen := 0
	for _, c := range read(t, content).Capable() {
		switch {
		case string(c.Attribute) == permittedCaps && c.Program == nil, c.Names[0] == "/b" && c.Program != nil:
			seen++
		default:
			t.Errorf("got %+v", c)
		}
	}
	if seen != 2 {
		t.Errorf("%d files, want 2", seen)
	}
}

// TestHeads holds how much is kept of the beginnings of files.
func TestHeads(t *testing.T) {
	long := strings.Repeat("0123456789\n", 10_000)
	l := read(t, archive(t,
		file{name: "script", content: "#!/bin/sh\n" + long}, file{name: "short", content: "#!"}, file{name: "empty"},
		file{name: "etc/passwd", content: "root:x:0:0\n"}, file{name: "etc/group", content: "root:x:0:\n"}, file{name: "etc/shadow", content: "root:secret"},
		file{name: "capable", content: "#!/bin/sh\nexit", records: map[string]string{schily: permittedCaps}}))
	s, err := facts.NewStack(l)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/script": ("#!/bin/sh\n" + long)[:64<<10], "/short": "#!", "/empty": "", "/etc/passwd": "root:x:0:0\n", "/etc/group": "root:x:0:\n",
		"/etc/shadow": "root", "/capable": "#!/bin/sh\nexit",
	} {
		info, err := s.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := info.Head(1 << 20); err != nil || string(got) != want {
			t.Errorf("%s: got %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
	if c := l.Capable(); len(c) != 1 || c[0].Program == nil || c[0].Program.Answer != aware.Unknown {
		t.Errorf("got %+v", c)
	}
}
