package gzpatch_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"

	"github.com/capwise/capwise/image/gzpatch"
)

// text returns n bytes of a kind: noise, zeros, or words that repeat.
func text(r *rand.Rand, kind, n int) []byte {
	out := make([]byte, 0, n+64)
	for len(out) < n {
		switch kind % 4 {
		case 0:
			out = append(out, byte(r.Uint32()))
		case 1:
			out = append(out, make([]byte, 64)...)
		case 2:
			out = fmt.Appendf(out, "word%d ", r.IntN(3000))
		default:
			if len(out) > 100 && r.IntN(2) == 0 {
				from := max(0, len(out)-1-r.IntN(40000))
				out = append(out, out[from:min(len(out), from+r.IntN(300))]...)
			} else {
				out = append(out, byte(r.Uint32()&15))
			}
		}
	}
	return out[:n]
}

// pack compresses in pieces, so that blocks of all kinds and bit positions come
// about.
func pack(t testing.TB, r *rand.Rand, content []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name, w.Comment, w.Extra = "layer", "x", []byte("extra")
	for len(content) > 0 {
		n := min(len(content), 1+r.IntN(100000))
		if _, err := w.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		if r.IntN(4) == 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		content = content[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack decompresses with the decoders of others.
func unpack(t testing.TB, stream []byte) []byte {
	t.Helper()
	std, err := gzip.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	one, err := io.ReadAll(std)
	if err != nil {
		t.Fatal("compress/gzip:", err)
	}
	other, err := kgzip.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	two, err := io.ReadAll(other)
	if err != nil {
		t.Fatal("klauspost:", err)
	}
	if !bytes.Equal(one, two) {
		t.Fatal("two decoders differ")
	}
	return one
}

func index(t testing.TB, stream, content []byte) *gzpatch.Index {
	t.Helper()
	r := gzpatch.NewReader(bytes.NewReader(stream), int64(len(stream)))
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	n, err := gzpatch.NewReader(bytes.NewReader(stream), int64(len(stream))).WriteTo(&written)
	if err != nil || n != int64(len(content)) {
		t.Fatalf("WriteTo: %d bytes, %v", n, err)
	}
	if !bytes.Equal(got, content) || !bytes.Equal(written.Bytes(), content) {
		t.Fatal("the reader reads another content")
	}
	return r.Index()
}

func all(t testing.TB, p *gzpatch.Patched) []byte {
	t.Helper()
	b, err := io.ReadAll(p.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func patch(t testing.TB, stream []byte, x *gzpatch.Index, edits []gzpatch.Edit) []byte {
	t.Helper()
	out, err := gzpatch.Patch(bytes.NewReader(stream), int64(len(stream)), x, edits)
	if err != nil {
		t.Fatal(err)
	}
	return all(t, out)
}

func edited(content []byte, edits []gzpatch.Edit) []byte {
	var out []byte
	at := int64(0)
	for _, e := range edits {
		out = append(append(out, content[at:e.Offset]...), e.New...)
		at = e.Offset + e.Length
	}
	return append(out, content[at:]...)
}

// randomEdits returns up to four edits, some of them at either end.
func randomEdits(r *rand.Rand, n int) []gzpatch.Edit {
	var out []gzpatch.Edit
	at := 0
	for range 1 + r.IntN(4) {
		if at >= n {
			break
		}
		offset := at + r.IntN(n-at)
		switch r.IntN(6) {
		case 0:
			offset = at
		case 1:
			offset = n - 1
		}
		length := min(r.IntN(4), n-offset)
		e := gzpatch.Edit{Offset: int64(offset), Length: int64(length), New: []byte("abc")[:length]}
		if r.IntN(3) == 0 {
			e.New = text(r, r.IntN(4), r.IntN(2000))
		}
		out = append(out, e)
		at = offset + length + 1
	}
	return out
}
