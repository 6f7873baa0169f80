package gzpatch

import (
	"bytes"

	"github.com/klauspost/compress/flate"
)

// writeRegion writes what is before a region, and the region.
func (p *patcher) writeRegion(r *region) error {
	if err := p.copyTo(r.begin / 8); err != nil {
		return err
	}
	first, err := p.next()
	if err != nil {
		return err
	}
	w, err := p.encode(r, first)
	if err != nil {
		return err
	}
	p.copied, p.begun, p.phase = (r.end+7)/8, 0, 0
	if phase := uint(r.end % 8); phase != 0 && !r.final {
		// The next block stands in the byte in which the last one ended.
		w.padTo(phase)
		last := len(w.bytes) - 1
		p.copied, p.begun, p.phase = r.end/8, w.bytes[last], phase
		w.bytes = w.bytes[:last]
	} else if !r.final {
		w.padTo(0)
	}
	p.out.AddBytes(w.bytes)
	p.out.Encoded += int64(len(r.text))
	return nil
}

// encode encodes a region again, which begins with the low bits of a byte: with the
// codes and matches that it has if that works, and else anew. If it can, it makes
// it as long as it was, or shorter.
func (p *patcher) encode(r *region, first byte) (*bitWriter, error) {
	length := r.end - r.begin/8*8
	kept := newBitWriter(first, uint(r.begin%8))
	ok, err := p.recode(kept, r)
	if err != nil {
		return nil, err
	}
	if ok && (r.final || kept.fill(length) || len(r.text) > maxSecond) {
		return kept, nil
	}
	anew := newBitWriter(first, uint(r.begin%8))
	if err := compress(anew, r); err != nil {
		return nil, err
	}
	if !ok || anew.fill(length) || anew.length()+maxFill < length {
		return anew, nil
	}
	return kept, nil
}

// maxSecond is the most content that is compressed to win a few bytes.
const maxSecond = 1 << 20

// compress writes the blocks of a region anew. They begin and end at a byte.
func compress(w *bitWriter, r *region) error {
	if w.phase() != 0 {
		w.storedNothing()
	}
	b := bytes.NewBuffer(w.bytes)
	c, err := flate.NewWriterDict(b, flate.BestCompression, r.window)
	if err != nil {
		return err
	}
	if _, err := c.Write(r.text); err != nil {
		return err
	}
	end := c.Flush
	if r.final {
		end = c.Close
	}
	err = end()
	w.bytes, w.free = b.Bytes(), 0
	return err
}
