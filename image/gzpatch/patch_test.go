package gzpatch_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
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

// hold patches a stream and requires that it decompresses to the edited content.
func hold(t testing.TB, r *rand.Rand, parts, kind, level, n int) {
	t.Helper()
	var stream, content []byte
	for range parts {
		part := text(r, kind, r.IntN(n+1))
		stream = append(stream, pack(t, r, part, level)...)
		content = append(content, part...)
	}
	if len(content) == 0 {
		return
	}
	edits := randomEdits(r, len(content))
	out, err := gzpatch.Patch(bytes.NewReader(stream), int64(len(stream)), index(t, stream, content), edits)
	if err != nil {
		if parts > 1 {
			return // an edit may span two members
		}
		t.Fatal(err)
	}
	if !bytes.Equal(unpack(t, all(t, out)), edited(content, edits)) {
		t.Fatal("the patched stream has another content")
	}
}

func FuzzPatch(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, uint8(seed), uint8(seed), uint32(300000), uint8(seed%3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, kind, level uint8, n uint32, parts uint8) {
		size := int(n) % 400000
		if seed%256 != 0 { // most of what can go wrong is within a block or two, and 40 times faster
			size %= 10000
		}
		hold(t, rand.New(rand.NewPCG(seed, 1)), int(parts)%3+1, int(kind), int(level)%12-2, size)
	})
}

// TestPatch is the fuzz test over all levels and kinds, without a fuzzer.
func TestPatch(t *testing.T) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for kind := range 4 {
			r := rand.New(rand.NewPCG(uint64(level+2), uint64(kind)))
			for range 6 {
				hold(t, r, 1+r.IntN(2), kind, level, 250000)
			}
		}
	}
}

// TestPhases holds that a change is patched wherever in a byte the blocks
// around it begin and end, and that all but the blocks near it is copied.
func TestPhases(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	content := text(r, 3, 1<<20)
	for level := 1; level <= 9; level++ {
		stream := pack(t, r, content, level)
		x := index(t, stream, content)
		for offset := int64(100_000); offset < 700_000; offset += 67_001 {
			edits := []gzpatch.Edit{{Offset: offset, Length: 1, New: []byte{byte(offset % 16)}}}
			out := patch(t, stream, x, edits)
			if !bytes.Equal(unpack(t, out), edited(content, edits)) {
				t.Fatalf("level %d, offset %d: another content", level, offset)
			}
			// What was not compressed as well as possible need not become larger.
			if grown := len(out) - len(stream); grown > 1000 || grown > 0 && level < 9 {
				t.Errorf("level %d, offset %d: %d bytes more", level, offset, grown)
			}
			tail := len(stream) / 16
			if !bytes.Equal(out[len(out)-tail:len(out)-8], stream[len(stream)-tail:len(stream)-8]) {
				t.Errorf("level %d, offset %d: the rest is not copied", level, offset)
			}
		}
	}
}

// TestCorrupt holds that whatever bit is wrong, the reader either says so or
// reads what compress/gzip reads.
func TestCorrupt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	stream := pack(t, r, text(r, 3, 3000), 6)
	for bit := range len(stream) * 8 {
		bad := bytes.Clone(stream)
		bad[bit/8] ^= 1 << (bit % 8)
		agree(t, bad)
	}
	for n := range stream {
		agree(t, stream[:n])
	}
}

func agree(t *testing.T, stream []byte) {
	t.Helper()
	got, err := io.ReadAll(gzpatch.NewReader(bytes.NewReader(stream), int64(len(stream))))
	if err != nil {
		return
	}
	std, stdErr := gzip.NewReader(bytes.NewReader(stream))
	if stdErr != nil {
		t.Fatalf("read without an error what compress/gzip refuses: %v", stdErr)
	}
	want, stdErr := io.ReadAll(std)
	if stdErr != nil || !bytes.Equal(got, want) {
		t.Fatalf("read without an error what compress/gzip reads otherwise: %v", stdErr)
	}
}

func FuzzReader(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for level := range 10 {
		f.Add(pack(f, r, text(r, level, 5000), level))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		fixed := bytes.Clone(stream)
		agree(t, fixed)
		// As deflate alone, with a frame whose sums are right.
		content, err := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
		if err != nil || len(content) > 1<<20 {
			return
		}
		framed := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, stream...)
		framed = binary.LittleEndian.AppendUint32(framed, crc32.ChecksumIEEE(content))
		framed = binary.LittleEndian.AppendUint32(framed, uint32(len(content)))
		agree(t, framed)
	})
}

// BenchmarkReader is inflating with an index, beside others who only inflate.
func BenchmarkReader(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	content := text(r, 3, 16<<20)
	if file := os.Getenv("CAPWISE_BENCH_FILE"); file != "" {
		var err error
		if content, err = os.ReadFile(file); err != nil {
			b.Fatal(err)
		}
	}
	stream := pack(b, r, content, 6)
	for name, open := range map[string]func() (io.Reader, error){
		"gzpatch":   func() (io.Reader, error) { return gzpatch.NewReader(bytes.NewReader(stream), int64(len(stream))), nil },
		"standard":  func() (io.Reader, error) { return gzip.NewReader(bytes.NewReader(stream)) },
		"klauspost": func() (io.Reader, error) { return kgzip.NewReader(bytes.NewReader(stream)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				in, err := open()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestDiscard holds that passing over content leads to where reading does, and to
// the same index.
func TestDiscard(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	content := text(r, 3, 500_000)
	stream := pack(t, r, content, 6)
	z := gzpatch.NewReader(bytes.NewReader(stream), int64(len(stream)))
	at := 0
	for at < len(content) {
		n, err := z.Discard(int64(r.IntN(90_000)))
		at += int(n)
		if err != nil {
			break
		}
		b := make([]byte, 1)
		if n, err := z.Read(b); n == 1 && b[0] != content[at] {
			t.Fatalf("byte %d is another, %v", at, err)
		} else {
			at += n
		}
	}
	if n, err := z.Discard(1); at != len(content) || n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at %d of %d, then %d, %v", at, len(content), n, err)
	}
}
