package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capwise/capwise/internal/limit"
)

func file(name string, content []byte) *File {
	return &File{name, io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))}
}

// TestDocuments holds the limits of documents, in one and in all, and their
// digests.
func TestDocuments(t *testing.T) {
	var above *limit.Error
	padded := []byte("[" + strings.Repeat(" ", int(limit.Document.Most)-2) + "]")
	var d Documents
	for i := range limit.Documents.Most / limit.Document.Most {
		if _, _, err := d.Read(file("x", padded), ""); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
	}
	if _, _, err := d.Read(file("x", []byte("1")), ""); !errors.As(err, &above) || above.Limit != limit.Documents {
		t.Errorf("more in all: %v", err)
	}
	d = Documents{}
	if _, _, err := d.Read(file("x", append(padded, ' ')), ""); !errors.As(err, &above) || above.Limit != limit.Document {
		t.Errorf("one more: %v", err)
	}
	for digest, ok := range map[string]bool{"": true, Digest256([]byte("{}")): true, Digest512([]byte("{}")): true, Digest256([]byte("[]")): false} {
		if _, _, err := d.Read(file("x", []byte("{}")), digest); (err == nil) != ok {
			t.Errorf("digest %q: %v", digest, err)
		}
	}
	for digest, want := range map[string]string{
		"sha256:" + strings.Repeat("a", 64): "blobs/sha256/" + strings.Repeat("a", 64), "sha512:" + strings.Repeat("0", 128): "blobs/sha512/" + strings.Repeat("0", 128),
		"sha256:" + strings.Repeat("a", 65): "", "sha256:" + strings.Repeat("A", 64): "", "md5:00": "", "sha256:../x": "", "": "", "sha512:" + strings.Repeat("a", 64): "",
	} {
		if got, err := BlobName(digest); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", digest, got, err)
		}
	}
}

// TestLock holds that who waits gets the lock, that waiting ends, and that what is
// locked is what lies at the path then.
func TestLock(t *testing.T) {
	defer func(w time.Duration) { lockWait = w }(lockWait)
	lockWait = 100 * time.Millisecond
	path := filepath.Join(t.TempDir(), "a.tar")
	pack(t, path, "one")
	first, err := OpenArchive(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenArchive(path, true); err == nil || !strings.Contains(err.Error(), "locked for 100ms by another program") {
		t.Errorf("got %v", err)
	}
	if a, err := OpenArchive(path, false); err != nil {
		t.Errorf("to read: %v", err)
	} else if err := a.Close(); err != nil {
		t.Error(err)
	}
	lockWait = 10 * time.Second
	var waiting sync.WaitGroup
	waiting.Go(func() {
		second, err := OpenArchive(path, true)
		if err != nil {
			t.Error(err)
			return
		}
		if f, err := second.Open("two", AnySize); err != nil || f.Size() != 3 {
			t.Errorf("what is there now is not what was locked: %v", err)
		}
		if err := second.Unchanged(); err != nil {
			t.Error(err)
		}
		_ = second.Close()
	})
	time.Sleep(50 * time.Millisecond)
	pack(t, path+".new", "two")
	if err := first.Unchanged(); err != nil {
		t.Error(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := first.Unchanged(); err == nil || !strings.Contains(err.Error(), "another program has changed it") {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
}

func pack(t *testing.T, path, name string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: 3, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSizes holds that a descriptor's size counts wherever a file lies.
func TestSizes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	pack(t, filepath.Join(dir, "a.tar"), "x")
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a, err := OpenArchive(filepath.Join(dir, "a.tar"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, s := range []Store{d, a} {
		for size, ok := range map[int64]bool{3: true, AnySize: true, 2: false, 4: false, 0: false} {
			if _, err := s.Open("x", size); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "size mismatch: its descriptor says ") {
				t.Errorf("%T, size %d: %v", s, size, err)
			}
		}
	}
}
