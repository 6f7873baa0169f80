package gzpatch

import (
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/capwise/capwise/image/internal/deflate"
)

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

// findRegion finds the blocks to encode again for the first of the edits, and for
// as many as are near it.
func (p *patcher) findRegion(m member, index *Index, edits []Edit) (*region, int, error) {
	f, r, err := p.regionAt(m, index, edits[0].Offset)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	for {
		if f.State() == deflate.AtBlock || f.State() == deflate.AtEnd {
			for n < len(edits) && (edits[n].Offset < f.Total() || f.State() == deflate.AtEnd) {
				n++
			}
			if last := edits[max(n, 1)-1]; n > 0 && (f.State() == deflate.AtEnd || f.Total() >= last.Offset+last.Length+deflate.WindowSize) {
				break
			}
		}
		b, err := f.Step()
		if err != nil {
			return nil, 0, err
		}
		if r.old = append(r.old, b...); len(r.old) > maxRegion {
			return nil, 0, fmt.Errorf("%w: blocks of more than %d bytes", ErrPatch, maxRegion)
		}
	}
	r.end, r.final, r.content.end = f.Input().Position(), f.State() == deflate.AtEnd, f.Total()
	r.text = apply(r.old, r.content.begin, edits[:n])
	return r, n, nil
}

// regionAt returns a region without content that begins with the block that
// holds the offset, and an inflater behind what of that is decoded already.
func (p *patcher) regionAt(m member, index *Index, offset int64) (*deflate.Inflater, *region, error) {
	i, _ := slices.BinarySearchFunc(index.checkpoints, offset+1, func(c checkpoint, o int64) int {
		if c.total < o {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil, nil, fmt.Errorf("%w: no block holds byte %d", ErrPatch, offset)
	}
	return p.decodeTo(index.checkpoints[i-1], m, offset)
}

// decodeTo goes from a checkpoint, maybe in a member before, to the block that
// holds the offset.
func (p *patcher) decodeTo(c checkpoint, m member, offset int64) (*deflate.Inflater, *region, error) {
	in := deflate.NewInput(p.src, p.size)
	if err := in.GoTo(c.position); err != nil {
		return nil, nil, err
	}
	f := deflate.NewInflater(in)
	f.Reset(c.window, c.total)
	crc := c.crc
	var r *region
	for {
		// Not by the content: a member may have none.
		if f.State() == deflate.AtEnd && (in.Position()+7)/8 < m.trailer {
			if err := nextMember(f); err != nil {
				return nil, nil, err
			}
			crc, r = 0, nil
			continue
		}
		if f.State() == deflate.AtBlock {
			if r != nil && f.Total() > offset {
				return f, r, nil
			}
			if r != nil {
				crc = crc32.Update(crc, crc32.IEEETable, r.old)
			}
			r = &region{begin: in.Position(), window: slices.Clone(f.Window()), crc: crc}
			r.content.begin = f.Total()
		}
		if f.State() == deflate.AtEnd {
			return f, r, nil
		}
		b, err := f.Step()
		if err != nil {
			return nil, nil, err
		}
		if r.old = append(r.old, b...); len(r.old) > maxRegion {
			return nil, nil, fmt.Errorf("%w: blocks of more than %d bytes", ErrPatch, maxRegion)
		}
	}
}

// nextMember goes from the end of a member into the next.
func nextMember(f *deflate.Inflater) error {
	in := f.Input()
	in.Align()
	if err := in.Skip(trailerSize); err != nil {
		return err
	}
	if err := skipHeader(in); err != nil {
		return err
	}
	f.Reset(nil, f.Total())
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
