package gzpatch_test

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"testing"

	"github.com/capwise/capwise/image/gzpatch"
)

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
