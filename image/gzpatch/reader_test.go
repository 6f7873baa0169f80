package gzpatch_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"

	"github.com/capwise/capwise/image/gzpatch"
)

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
