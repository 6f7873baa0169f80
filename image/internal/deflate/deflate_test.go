package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/internal/deflate"
)

// pack compresses content, and begins blocks anew after each piece of a size.
func pack(t testing.TB, content []byte, level, piece int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for len(content) > 0 {
		n := min(piece, len(content))
		if _, err := w.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		content = content[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// words is text of some kilobytes in which much repeats, and not all.
func words(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "word%d of %d, %c", i*i%977, i, 'a'+i%26)
	}
	return b.Bytes()
}

// input is an input of a stream in memory.
func input(stream []byte) *deflate.Input {
	return deflate.NewInput(bytes.NewReader(stream), int64(len(stream)))
}

// steps decodes a stream with Step.
func steps(stream []byte) ([]byte, error) {
	f := deflate.NewInflater(input(stream))
	f.Reset(nil, 0)
	var out []byte
	for f.State() != deflate.AtEnd {
		b, err := f.Step()
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
		if f.Total() != int64(len(out)) {
			return nil, fmt.Errorf("%d bytes came, and %d are told", len(out), f.Total())
		}
		if w := f.Window(); !bytes.HasSuffix(out, w) || len(w) < min(len(out), deflate.WindowSize) {
			return nil, fmt.Errorf("after %d bytes the window is another", len(out))
		}
	}
	return out, nil
}

// tokens decodes a stream up to an offset of its content with Header and Token.
func tokens(stream []byte, length int) ([]byte, error) {
	in := input(stream)
	f := deflate.NewInflater(in)
	f.Reset(nil, 0)
	var out []byte
	for len(out) < length {
		if err := f.Header(); err != nil {
			return nil, err
		}
		if f.State() != deflate.InCoded {
			for n := f.Stored(); n > 0; {
				b, err := in.Bytes(n)
				if err != nil {
					return nil, err
				}
				out = append(out, b...)
				n -= len(b)
			}
			continue
		}
		for {
			t, err := f.Token()
			if err != nil {
				return nil, err
			}
			if t.Length == 0 {
				break
			}
			if t.Distance > len(out) {
				return nil, fmt.Errorf("a match goes back %d bytes from %d", t.Distance, len(out))
			}
			for range t.Length {
				b := t.Literal
				if t.Distance > 0 {
					b = out[len(out)-t.Distance]
				}
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// TestInflater decodes streams block by block, and token by token.
func TestInflater(t *testing.T) {
	for _, content := range [][]byte{nil, []byte("a"), words(100), words(700_000), make([]byte, 300_000)} {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
			for _, piece := range []int{999, 100_000, 1 << 20} {
				stream := pack(t, content, level, piece)
				if got, err := steps(stream); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, level %d: Step gives %d bytes, %v", len(content), level, len(got), err)
				}
				if got, err := tokens(stream, len(content)); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, level %d: Token gives %d bytes, %v", len(content), level, len(got), err)
				}
			}
		}
	}
}

// TestResume decodes from a place between two blocks on, to which the window before it
// is given.
func TestResume(t *testing.T) {
	content := words(300_000)
	stream := pack(t, content, 6, 10_000)
	f := deflate.NewInflater(input(stream))
	f.Reset(nil, 0)
	for f.Total() < 100_000 || f.State() != deflate.AtBlock {
		if _, err := f.Step(); err != nil {
			t.Fatal(err)
		}
	}
	in := input(stream)
	if err := in.GoTo(f.Input().Position()); err != nil {
		t.Fatal(err)
	}
	again := deflate.NewInflater(in)
	again.Reset(f.Window(), f.Total())
	got := bytes.Clone(content[:f.Total()])
	for again.State() != deflate.AtEnd {
		b, err := again.Step()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if !bytes.Equal(got, content) || again.Total() != int64(len(content)) {
		t.Errorf("%d bytes, want %d", len(got), len(content))
	}
}

// TestLiteralCode compares codes of the fixed code with those of RFC 1951, 3.2.6.
func TestLiteralCode(t *testing.T) {
	f := deflate.NewInflater(input([]byte{0b011, 0}))
	f.Reset(nil, 0)
	if err := f.Header(); err != nil {
		t.Fatal(err)
	}
	for b, want := range map[byte]string{0: "00110000", 143: "10111111", 144: "110010000", 255: "111111111", 'a': "10010001"} {
		code, n := f.LiteralCode(b)
		got := ""
		for i := range n {
			got += string('0' + rune(code>>i&1))
		}
		if got != want {
			t.Errorf("%d: got %s, want %s", b, got, want)
		}
	}
}

// TestErrors holds that what is wrong with a stream is said, and where.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, stream, says string }{
		{"empty", "", "it ends at byte 0, in the middle"},
		{"cut", "\x4b", "it ends at byte 1, in the middle"},
		{"type of block", "\x07\x00", "unknown type of block"},
		{"stored length", "\x01\x05\x00\x00\x00abcde", "the length of a stored block differs from its complement"},
		{"stored, cut", "\x01\x05\x00\xfa\xffabc", "it ends at byte 8, in the middle"},
		{"match before the first byte", "\x03\x02\x00\x00", "a match refers to bytes before the first"},
		{"symbols", "\xfd\xff\x00\x00", "a block lists more symbols than there are"},
	} {
		_, err := steps([]byte(c.stream))
		if err == nil || !errors.Is(err, deflate.ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.says)
		}
		if _, other := io.ReadAll(flate.NewReader(strings.NewReader(c.stream))); other == nil {
			t.Errorf("%s: compress/flate reads it", c.name)
		}
	}
}

// TestSource holds that a source that fails is no fault of the stream.
func TestSource(t *testing.T) {
	stream := pack(t, words(1000), 6, 1000)
	f := deflate.NewInflater(deflate.NewInput(bytes.NewReader(stream), int64(len(stream))+1))
	f.Reset(nil, 0)
	if _, err := f.Step(); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, deflate.ErrFormat) {
		t.Errorf("got %v", err)
	}
}

// FuzzInflater decodes in two ways what may be a stream, and compares with
// compress/flate.
func FuzzInflater(f *testing.F) {
	for level := range 10 {
		f.Add(pack(f, words(3000), level, 1000))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := steps(stream)
		if err != nil {
			return
		}
		want, other := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
		if other != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes; compress/flate reads %d, %v", len(got), len(want), other)
		}
		if got, err := tokens(stream, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("by token %d bytes, %v", len(got), err)
		}
	})
}
