package gzpatch

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"
)

// TestFill holds that blocks of no bytes fill a length to the bit, and that a
// decoder takes them: any length but a few short ones.
func TestFill(t *testing.T) {
	for begun := range uint(8) {
		missing := 0
		for n := int64(0); n <= maxFill; n++ {
			w := newBitWriter(0, begun)
			end := w.length() + n
			if !w.fill(end) {
				missing++
				continue
			}
			if w.length() != end {
				t.Fatalf("%d bits became %d", n, w.length())
			}
			if begun == 0 {
				decodesToNothing(t, w)
			}
		}
		if missing > 120 {
			t.Errorf("%d bits begun: %d lengths can't be filled", begun, missing)
		}
	}
	if w := newBitWriter(0, 0); w.fill(3) || w.fill(-1) || w.fill(maxFill+1) || w.length() != 0 {
		t.Error("a length that can't be filled is")
	}
}

func decodesToNothing(t *testing.T, w *bitWriter) {
	t.Helper()
	w.write(1, 1) // and a last block, with the fixed code
	w.write(1, 2)
	w.write(0, 7)
	if out, err := io.ReadAll(flate.NewReader(bytes.NewReader(w.bytes))); err != nil || len(out) > 0 {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
}
