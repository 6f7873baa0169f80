package gzpatch

import (
	"bytes"
	"fmt"

	"github.com/capwise/capwise/image/internal/deflate"
)

// recode encodes a region again with the codes and matches that it has: only
// literals that are changed, and matches that would copy something else now,
// become literals. It keeps what the compressor found, so that the size stays the
// same but for some bits. It reports false where that is impossible: the length
// changes, or a literal that is needed has no code in its block.
func (p *patcher) recode(w *bitWriter, r *region) (bool, error) {
	if len(r.text) != len(r.old) {
		return false, nil
	}
	in, raw := deflate.NewInput(p.src, p.size), deflate.NewInput(p.src, p.size)
	for _, i := range []*deflate.Input{in, raw} {
		if err := i.GoTo(r.begin); err != nil {
			return false, err
		}
	}
	f := deflate.NewInflater(in)
	c := recoder{in: in, f: f, raw: raw, w: w, text: append(bytes.Clone(r.window), r.text...), at: len(r.window)}
	for in.Position() < r.end {
		if err := f.Header(); err != nil {
			return false, err
		}
		again := c.block
		if f.State() != deflate.InCoded { // stored, and maybe at its end with the header
			again = c.storedBlock
		}
		if ok, err := again(); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// recoder encodes blocks again.
type recoder struct {
	in   *deflate.Input
	f    *deflate.Inflater
	raw  *deflate.Input // the same bits once more, to be copied
	w    *bitWriter
	text []byte // the window and the new content
	at   int
}

// copyBits copies the bits up to where the decoder is.
func (c *recoder) copyBits() error {
	for n := c.in.Position() - c.raw.Position(); n > 0; {
		piece := min(n, 32)
		v, err := c.raw.Take(uint(piece))
		if err != nil {
			return err
		}
		c.w.write(uint64(v), uint(piece))
		n -= piece
	}
	return nil
}

// next returns the content that a token or a block of that length stands for now. That
// there is less means that the stream has changed since it was decoded.
func (c *recoder) next(length, distance int) ([]byte, error) {
	if distance > c.at || c.at+length > len(c.text) {
		return nil, fmt.Errorf("%w: byte %d: what it refers to is not there any more", ErrFormat, c.in.Position()/8)
	}
	return c.text[c.at : c.at+length], nil
}

// storedBlock writes a block without compression, aligned anew.
func (c *recoder) storedBlock() (bool, error) {
	n := c.f.Stored()
	text, err := c.next(n, 0)
	if err != nil {
		return false, err
	}
	header, err := c.raw.Take(3)
	if err != nil {
		return false, err
	}
	c.w.write(uint64(header), 3)
	c.w.write(0, c.w.free)
	c.w.write(uint64(n)|uint64(^uint16(n))<<16, 32)
	c.w.bytes = append(c.w.bytes, text...)
	c.at += n
	if err := c.in.Skip(n); err != nil {
		return false, err
	}
	return true, c.raw.GoTo(c.in.Position())
}

// block writes a block with a code, whose header was read.
func (c *recoder) block() (bool, error) {
	if err := c.copyBits(); err != nil { // the header, whatever becomes of the first token
		return false, err
	}
	for {
		t, err := c.f.Token()
		if err != nil {
			return false, err
		}
		if t.Length == 0 {
			return true, c.copyBits()
		}
		if ok, err := c.token(t); !ok || err != nil {
			return false, err
		}
	}
}

// token copies a token if it still gives what it has to, and else writes
// literals.
func (c *recoder) token(t deflate.Token) (bool, error) {
	want, err := c.next(t.Length, t.Distance)
	if err != nil {
		return false, err
	}
	from := c.text[c.at-t.Distance:]
	same := t.Distance > 0 && bytes.Equal(want, from[:t.Length]) || t.Distance == 0 && want[0] == t.Literal
	c.at += t.Length
	if same {
		return true, c.copyBits()
	}
	for _, b := range want {
		code, n := c.f.LiteralCode(b)
		if n == 0 {
			return false, nil
		}
		c.w.write(uint64(code), n)
	}
	return true, c.raw.GoTo(c.in.Position())
}
