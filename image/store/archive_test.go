package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/internal/limit"
)

var kinds = map[string]compression.Kind{".tar": compression.None, ".tar.gz": compression.Gzip, ".tar.zst": compression.Zstd}

// entry is a file of an archive, or a link if it leads somewhere.
type entry struct{ name, content, link string }

// tarOf returns an archive.
func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		case strings.HasSuffix(e.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses content.
func packed(t *testing.T, kind compression.Kind, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := kind.Writer(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpacked reads a file, and what it is compressed with.
func unpacked(t *testing.T, path string) (compression.Kind, []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kind := compression.Of(raw)
	r, done, err := kind.Stream(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return kind, content
}

// contentOf reads a file of a store.
func contentOf(t *testing.T, s Store, name string) string {
	t.Helper()
	f, err := s.Open(name, AnySize)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestArchiveWrite changes a file of archives, in place and in a copy: the rest is as it
// was, to the byte, and compressed in the same way.
func TestArchiveWrite(t *testing.T) {
	layout := func(name, content string) []byte { // as Docker writes it
		return tarOf(t, entry{name: "blobs/"}, entry{name: "blobs/sha256/" + name, content: content}, entry{name: "blobs/sha256/bb", content: "kept"},
			entry{name: "link", link: "blobs/sha256/" + name}, entry{name: DockerFile, content: `["` + name + `"]`}, entry{name: "repositories", content: "{}"})
	}
	before, want := layout("aa", "old"), layout("cc", "new content")
	for end, kind := range kinds {
		path := filepath.Join(t.TempDir(), "a"+end)
		if err := os.WriteFile(path, packed(t, kind, before), 0o640); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{path + ".copy", path} {
			a, err := OpenArchive(path, to == path)
			if err != nil {
				t.Fatal(err)
			}
			if got := contentOf(t, a, "link"); got != "old" {
				t.Errorf("%s: before the change it reads %q", end, got)
			}
			err = a.Write(to, []Change{
				{Old: "blobs/sha256/aa", New: "blobs/sha256/cc", From: "aa", To: "cc", Content: strings.NewReader("new content"), Size: 11},
				{Old: DockerFile, New: DockerFile, Content: strings.NewReader(`["cc"]`), Size: 6},
			})
			if err := errors.Join(err, a.Close()); err != nil {
				t.Fatal(err)
			}
			got, content := unpacked(t, to)
			if got != kind || !bytes.Equal(content, want) {
				t.Errorf("%s: %s of %d bytes, want %s of %d", to, got, len(content), kind, len(want))
			}
			if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("%s: %v, %v", to, info.Mode(), err)
			}
		}
		again, err := OpenArchive(path, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := contentOf(t, again, "link"); got != "new content" {
			t.Errorf("%s: it reads %q", end, got)
		}
		_ = again.Close()
	}
}

// TestArchiveErrors holds which archives and files are refused, and in which words.
func TestArchiveErrors(t *testing.T) {
	plain := tarOf(t, entry{name: "a", content: "x"})
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"no archive":   {[]byte(strings.Repeat("x", 1024)), "checksum"},
		"cut gzip":     {packed(t, compression.Gzip, plain)[:40], "gzip: "},
		"gzip of text": {packed(t, compression.Gzip, []byte("text")), "EOF"},
	} {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArchive(path, false)
		if err == nil {
			_ = a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
	path := filepath.Join(t.TempDir(), "a.tar")
	content := tarOf(t, entry{name: "a", content: "x"}, entry{name: "./a", content: "y"}, entry{name: "loop", link: "loop"}, entry{name: "out", link: "../../etc/passwd"}, entry{name: "dir/"})
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for name, says := range map[string]string{
		"a": "the archive has two files of this name", "no": "file does not exist", "loop": "too many links", "out": "file does not exist", "dir": "not a regular file",
	} {
		if _, err := a.Open(name, AnySize); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", name, err, says)
		}
	}
	if _, err := OpenArchive(filepath.Join(path, "no"), false); err == nil {
		t.Error("a file below a file is opened")
	}
}

// TestUnpackedLimit holds what an archive unpacks to to the limit of layers.
func TestUnpackedLimit(t *testing.T) {
	defer func(l limit.Limit) { limit.Unpacked = l }(limit.Unpacked)
	limit.Unpacked.Most = 1 << 20
	for _, kind := range []compression.Kind{compression.Gzip, compression.Zstd} {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, packed(t, kind, make([]byte, 2<<20)), 0o600); err != nil {
			t.Fatal(err)
		}
		var above *limit.Error
		if _, err := OpenArchive(path, false); !errors.As(err, &above) || above.Limit != limit.Unpacked {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

// TestStandardInput reads an archive that comes once, compressed or not.
func TestStandardInput(t *testing.T) {
	r := ref.Ref{Kind: ref.Archive, Path: ref.StandardInput}
	content := tarOf(t, entry{name: "x", content: "abc"})
	for end, kind := range kinds {
		s, err := Open(r, false, io.MultiReader(bytes.NewReader(packed(t, kind, content))))
		if err != nil {
			t.Errorf("%s: %v", end, err)
			continue
		}
		if got := contentOf(t, s, "x"); got != "abc" {
			t.Errorf("%s: it reads %q", end, got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(r, false, nil); err == nil || err.Error() != "standard input is not read here" {
		t.Errorf("got %v", err)
	}
	broken := errors.New("broken pipe")
	if _, err := Open(r, false, io.MultiReader(bytes.NewReader(content), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	defer func(l limit.Limit) { limit.Saved = l }(limit.Saved)
	limit.Saved.Most = int64(len(content)) - 1
	var above *limit.Error
	if _, err := Open(r, false, bytes.NewReader(content)); !errors.As(err, &above) || above.Limit != limit.Saved {
		t.Errorf("got %v", err)
	}
}

// failing is a reader that fails.
type failing struct{ err error }

// Read implements [io.Reader].
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestIsArchive tells archives from other files.
func TestIsArchive(t *testing.T) {
	dir := t.TempDir()
	content := tarOf(t, entry{name: "x", content: "abc"})
	for i, c := range []struct {
		content []byte
		want    bool
	}{
		{content, true},
		{packed(t, compression.Gzip, content), true},
		{packed(t, compression.Zstd, content), true},
		{packed(t, compression.Gzip, []byte(strings.Repeat("text\n", 1000))), false},
		{packed(t, compression.Gzip, nil), false},
		{packed(t, compression.Zstd, content)[:10], false},
		{append([]byte("\x7fELF"), make([]byte, 1000)...), false},
		{content[:300], false},
		{nil, false},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := IsArchive(path); got != c.want {
			t.Errorf("%d: got %t", i, got)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "no")} {
		if IsArchive(path) {
			t.Errorf("%s is one", path)
		}
	}
}
