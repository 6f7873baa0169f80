package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/store"

	"github.com/capwise/capwise/internal/limit"
)

// permittedCaps and effectiveCaps are cap_net_bind_service=p and =ep, as the attribute's
// bytes.
const (
	permittedCaps = "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	effectiveCaps = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// file is an entry of an archive.
type file struct {
	name, content, hard string
	records             map[string]string
}

// archive returns a tar archive.
func archive(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg, PAXRecords: f.records}
		if f.hard != "" {
			h.Typeflag, h.Linkname = tar.TypeLink, f.hard
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses an archive.
func packed(t testing.TB, kind compression.Kind, content []byte) []byte {
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

// section is content as a file has it.
func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// How a blob comes.
const (
	asFile    = "a file"
	asStream  = "a stream"
	asUnknown = "a stream of unknown size"
)

// blob is a layer's blob.
type blob struct {
	content []byte
	key     string
	comes   string
	opened  int
}

// Open implements [Source].
func (b *blob) Open() (io.ReadCloser, int64, error) {
	b.opened++
	if b.comes == asFile || b.comes == "" {
		return held{SectionReader: section(b.content)}, b.Bytes(), nil
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.content))), b.Bytes(), nil
}

// Key implements [Source].
func (b *blob) Key() string { return b.key }

// Bytes implements [Source].
func (b *blob) Bytes() int64 {
	if b.comes == asUnknown {
		return 0
	}
	return int64(len(b.content))
}

// keyed is a blob with its digest.
func keyed(content []byte, comes string) *blob {
	return &blob{content: content, key: store.Digest256(content), comes: comes}
}

// read reads an archive, and closes the facts when the test ends.
func read(t *testing.T, content []byte) *facts.Layer {
	t.Helper()
	l, err := NewReader(nil, nil, limit.Entries).Read(&blob{content: content})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// capable writes the files with the attribute as "NAME,NAME ATTRIBUTE".
func capable(l *facts.Layer) []string {
	var out []string
	for _, c := range l.Capable() {
		out = append(out, fmt.Sprintf("%v %q", c.Names, c.Attribute))
	}
	return out
}
