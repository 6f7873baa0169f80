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
	"errors"
	"fmt"
	"io"

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
		r, n, err := p.findRegion(m, index, edits)
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
	p.copied += trailerSize
	p.out.AddBytes(sum.trailer())
	return nil
}
