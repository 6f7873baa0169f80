package gzpatch

import "bytes"

// recode encodes a region again with the codes and matches that it has: only
// literals that are changed, and matches that would copy something else now,
// become literals. It keeps what the compressor found, so that the size stays the
// same but for some bits. It reports false where that is impossible: the length
// changes, or a literal that is needed has no code in its block.
func (p *patcher) recode(w *bitWriter, r *region) (bool, error) {
	if len(r.text) != len(r.old) {
		return false, nil
	}
	in, raw := newInput(p.src, p.size), newInput(p.src, p.size)
	for _, i := range []*input{in, raw} {
		if err := i.seek(r.begin); err != nil {
			return false, err
		}
	}
	f := newInflater(in)
	c := recoder{f: f, raw: raw, w: w, text: append(bytes.Clone(r.window), r.text...), at: len(r.window)}
	for f.in.position() < r.end {
		if err := f.header(); err != nil {
			return false, err
		}
		again := c.block
		if f.state != inCoded { // stored, and maybe at its end with the header
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
	f    *inflater
	raw  *input // the same bits once more, to be copied
	w    *bitWriter
	text []byte // the window and the new content
	at   int
}

// copyBits copies the bits up to where the decoder is.
func (c *recoder) copyBits() error {
	for n := c.f.in.position() - c.raw.position(); n > 0; {
		piece := min(n, 32)
		v, err := c.raw.take(uint(piece))
		if err != nil {
			return err
		}
		c.w.write(uint64(v), uint(piece))
		n -= piece
	}
	return nil
}

// storedBlock writes a block without compression, aligned anew.
func (c *recoder) storedBlock() (bool, error) {
	n := c.f.stored
	header, err := c.raw.take(3)
	if err != nil {
		return false, err
	}
	c.w.write(uint64(header), 3)
	c.w.write(0, c.w.free)
	c.w.write(uint64(n)|uint64(^uint16(n))<<16, 32)
	c.w.bytes = append(c.w.bytes, c.text[c.at:c.at+n]...)
	c.at += n
	if err := skip(c.f.in, n); err != nil {
		return false, err
	}
	return true, c.raw.seek(c.f.in.position())
}

// block writes a block with a code, whose header was read.
func (c *recoder) block() (bool, error) {
	if err := c.copyBits(); err != nil { // the header, whatever becomes of the first token
		return false, err
	}
	for {
		e, err := c.f.in.code(c.f.literals[:], literalBits)
		if err != nil {
			return false, err
		}
		if e&isSpecial != 0 {
			if e&isEnd == 0 {
				return false, c.f.corrupt(faultCode)
			}
			return true, c.copyBits()
		}
		length, distance := 1, 0
		if e&isLiteral == 0 {
			if length, distance, err = c.match(e); err != nil {
				return false, err
			}
		}
		if ok, err := c.token(byte(e>>16), length, distance); !ok || err != nil {
			return false, err
		}
	}
}

// match reads the rest of a match.
func (c *recoder) match(e uint32) (length, distance int, err error) {
	extra, err := c.f.in.take(uint(e >> 8 & 31))
	if err != nil {
		return 0, 0, err
	}
	length = int(e>>16) + int(extra)
	if e, err = c.f.in.code(c.f.offsets[:], offsetBits); err != nil {
		return 0, 0, err
	}
	if extra, err = c.f.in.take(uint(e >> 8 & 31)); err != nil {
		return 0, 0, err
	}
	distance = int(e>>16) + int(extra)
	if e&isSpecial != 0 || distance > c.at || c.at+length > len(c.text) {
		return 0, 0, c.f.corrupt(faultMatch)
	}
	return length, distance, nil
}

// token copies a token if it still gives what it has to, and else writes
// literals.
func (c *recoder) token(literal byte, length, distance int) (bool, error) {
	want := c.text[c.at : c.at+length]
	same := distance > 0 && bytes.Equal(want, c.text[c.at-distance:][:length]) || distance == 0 && want[0] == literal
	c.at += length
	if same {
		return true, c.copyBits()
	}
	for _, b := range want {
		code, n, ok := literalCode(c.f.literals, b)
		if !ok {
			return false, nil
		}
		c.w.write(uint64(code), n)
	}
	return true, c.raw.seek(c.f.in.position())
}

// literalCode looks up the bits of a literal.
func literalCode(table *literalTable, b byte) (code uint32, n uint, ok bool) {
	is := func(e uint32) bool { return e&(isLiteral|isSpecial) == isLiteral && byte(e>>16) == b }
	for i, e := range table[:1<<literalBits] {
		if is(e) {
			n := uint(e & 15)
			return uint32(i) & (1<<n - 1), n, true
		}
		if e&isSpecial == 0 || e&isSecond == 0 {
			continue
		}
		for j := range uint32(1) << (e >> 8 & 31) {
			if second := table[e>>16+j]; is(second) {
				n := uint(second & 15)
				return uint32(i) | j&(1<<n-1)<<literalBits, literalBits + n, true
			}
		}
	}
	return 0, 0, false
}
