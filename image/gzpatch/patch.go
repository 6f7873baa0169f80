// Package gzpatch changes bytes inside a gzip stream without compressing it
// anew.
//
// A deflate stream is a sequence of blocks, and a block refers to no more than
// 32 KiB of content before it. So only the blocks from the one that holds a
// change to the first that begins 32 KiB or more behind it are encoded again, if
// possible with the codes and matches that they have, and in no more bytes. Blocks
// of no content bring what follows to the bit of a byte at which it stood before;
// it is then copied byte for byte.
//
// [Reader] inflates a stream and remembers where blocks begin; [Patch] returns
// the changed stream, as parts of the old one and what is new. Whoever relies on
// it decompresses the result and compares; package fix does.
package gzpatch

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"

	"github.com/capwise/capwise/image/internal/splice"
)

// Edit replaces Length bytes at Offset of the content.
type Edit struct {
	Offset, Length int64
	New            []byte
}

// ErrPatch is what an error wraps when a stream is sound, and yet can't be
// patched: its blocks are too large, or an edit spans two members.
var ErrPatch = errors.New("the gzip stream can't be patched")

// maxRegion bounds the content of the blocks that are encoded again.
const maxRegion = 16 << 20

// region is a part of a stream that is encoded again.
type region struct {
	begin, end int64 // in bits of the stream
	content    span
	window     []byte
	old, text  []byte // the content, and what it becomes
	final      bool   // it ends with the last block of the member
	crc        uint32 // of the member's content before
}

// span is a part of the content.
type span struct{ begin, end int64 }

// Patch returns the stream whose content has the edits made, which are in order
// and don't overlap. The index is that of a [Reader] of the same stream.
func Patch(src io.ReaderAt, size int64, index *Index, edits []Edit) (*Patched, error) {
	p := patcher{src: src, size: size, out: &Patched{}}
	if err := p.patch(index, edits); err != nil {
		return nil, err
	}
	return p.out, nil
}

// Patched is a stream that has been patched. What it has in common with the old
// one is read from there.
type Patched struct {
	splice.File
	// Encoded is how many bytes of the content were encoded again.
	Encoded int64
}

func (p *patcher) patch(index *Index, edits []Edit) error {
	for _, m := range index.members {
		n := 0
		for n < len(edits) && (edits[n].Offset < m.end || edits[n].Offset == m.begin && m.begin == m.end) {
			if edits[n].Offset+edits[n].Length > m.end {
				return fmt.Errorf("%w: the edit at %d spans two members", ErrPatch, edits[n].Offset)
			}
			n++
		}
		if n > 0 {
			if err := p.member(m, index, edits[:n]); err != nil {
				return err
			}
			edits = edits[n:]
		}
	}
	if len(edits) > 0 {
		return fmt.Errorf("%w: the edit at %d is behind the end", ErrPatch, edits[0].Offset)
	}
	return p.copyTo(p.size)
}

// patcher makes a stream from front to back.
type patcher struct {
	out    *Patched
	src    io.ReaderAt
	size   int64
	copied int64 // bytes of src that are done with
	// begun are the low bits, so many of them, of the byte that is copied next:
	// a region ended in its middle.
	begun byte
	phase uint
}

// next returns the byte of src at copied, with what was begun of it.
func (p *patcher) next() (byte, error) {
	var b [1]byte
	if _, err := p.src.ReadAt(b[:], p.copied); err != nil {
		return 0, err
	}
	return b[0]>>p.phase<<p.phase | p.begun, nil
}

// copyTo copies src up to an offset.
func (p *patcher) copyTo(end int64) error {
	if p.phase > 0 && end > p.copied {
		b, err := p.next()
		if err != nil {
			return err
		}
		p.out.AddBytes([]byte{b})
		p.copied++
		p.begun, p.phase = 0, 0
	}
	p.out.Add(p.src, p.copied, end-p.copied)
	p.copied = end
	return nil
}

// member writes what is before and in the member, up to its trailer, and that.
func (p *patcher) member(m member, index *Index, edits []Edit) error {
	sum := checksum{m: m}
	for len(edits) > 0 {
		r, n, err := p.region(m, index, edits)
		if err != nil {
			return err
		}
		if err := p.writeRegion(r); err != nil {
			return err
		}
		sum.add(r)
		edits = edits[n:]
	}
	if err := p.copyTo(m.trailer); err != nil {
		return err
	}
	p.copied += 8
	p.out.AddBytes(sum.trailer())
	return nil
}

// region finds the blocks to encode again for the first of the edits, and for
// as many as are near it.
func (p *patcher) region(m member, index *Index, edits []Edit) (*region, int, error) {
	f, r, err := p.before(m, index, edits[0].Offset)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	for {
		if f.state == atBlock || f.state == atEnd {
			for n < len(edits) && (edits[n].Offset < f.total || f.state == atEnd) {
				n++
			}
			if last := edits[max(n, 1)-1]; n > 0 && (f.state == atEnd || f.total >= last.Offset+last.Length+windowSize) {
				break
			}
		}
		b, err := f.step()
		if err != nil {
			return nil, 0, err
		}
		if r.old = append(r.old, b...); len(r.old) > maxRegion {
			return nil, 0, fmt.Errorf("%w: blocks of more than %d bytes", ErrPatch, maxRegion)
		}
	}
	r.end, r.final, r.content.end = f.in.position(), f.state == atEnd, f.total
	r.text = apply(r.old, r.content.begin, edits[:n])
	return r, n, nil
}

// before returns a region without content that begins with the block that
// holds the offset, and an inflater behind what of that is decoded already.
func (p *patcher) before(m member, index *Index, offset int64) (*inflater, *region, error) {
	i, _ := slices.BinarySearchFunc(index.checkpoints, offset+1, func(c checkpoint, o int64) int {
		if c.total < o {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil, nil, fmt.Errorf("%w: no block holds byte %d", ErrPatch, offset)
	}
	return p.resume(index.checkpoints[i-1], m, offset)
}

// resume goes from a checkpoint, maybe in a member before, to the block that
// holds the offset.
func (p *patcher) resume(c checkpoint, m member, offset int64) (*inflater, *region, error) {
	in := newInput(p.src, p.size)
	if err := in.seek(c.position); err != nil {
		return nil, nil, err
	}
	f := newInflater(in)
	f.reset(c.window, c.total)
	crc := c.crc
	var r *region
	for {
		// Not by the content: a member may have none.
		if f.state == atEnd && (in.position()+7)/8 < m.trailer {
			if err := nextMember(f); err != nil {
				return nil, nil, err
			}
			crc, r = 0, nil
			continue
		}
		if f.state == atBlock {
			if r != nil && f.total > offset {
				return f, r, nil
			}
			if r != nil {
				crc = crc32.Update(crc, crc32.IEEETable, r.old)
			}
			r = &region{begin: in.position(), window: slices.Clone(f.window()), crc: crc}
			r.content.begin = f.total
		}
		if f.state == atEnd {
			return f, r, nil
		}
		b, err := f.step()
		if err != nil {
			return nil, nil, err
		}
		if r.old = append(r.old, b...); len(r.old) > maxRegion {
			return nil, nil, fmt.Errorf("%w: blocks of more than %d bytes", ErrPatch, maxRegion)
		}
	}
}

// nextMember goes from the end of a member into the next.
func nextMember(f *inflater) error {
	f.in.align()
	f.in.unread()
	if err := skip(f.in, 8); err != nil {
		return err
	}
	if err := skipHeader(f.in); err != nil {
		return err
	}
	f.reset(nil, f.total)
	return nil
}

// apply makes the edits in text, which begins at an offset of the content.
func apply(text []byte, begin int64, edits []Edit) []byte {
	out := make([]byte, 0, len(text))
	for _, e := range edits {
		out = append(out, text[:e.Offset-begin]...)
		out = append(out, e.New...)
		text = text[e.Offset+e.Length-begin:]
		begin = e.Offset + e.Length
	}
	return append(out, text...)
}

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
