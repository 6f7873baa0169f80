package deflate

// Token is a literal or a match of a block, or the block's end.
type Token struct {
	// Length is how many bytes the token stands for: 1 of a literal, 0 at the end of the
	// block.
	Length int
	// Distance is how far back a match goes, 0 for what is none.
	Distance int
	// Literal is the byte that a literal stands for.
	Literal byte
}

// Token reads one token of a block with a code, whose header was read. It does not look
// at what a match refers to. It is for who needs the tokens themselves; Step is faster.
func (f *Inflater) Token() (Token, error) {
	e, err := f.code(f.literals[:], literalBits)
	switch {
	case err != nil || e&isSpecial != 0:
		return Token{}, err
	case e&isLiteral != 0:
		return Token{Length: 1, Literal: byte(e >> 16)}, nil
	}
	var t Token
	if t.Length, err = f.value(e); err != nil {
		return Token{}, err
	}
	if e, err = f.code(f.offsets[:], offsetBits); err != nil {
		return Token{}, err
	}
	t.Distance, err = f.value(e)
	return t, err
}

// value adds to an entry's value the bits that follow.
func (f *Inflater) value(e uint32) (int, error) {
	extra, err := f.in.Take(uint(e >> 8 & 31))
	return int(e>>16) + int(extra), err
}

// code reads a code and returns its entry of the table.
func (f *Inflater) code(table []uint32, first uint) (uint32, error) {
	v, err := f.in.Take(maxLength)
	if err != nil {
		return 0, err
	}
	e := table[v&(1<<first-1)]
	used := uint(e & 15)
	if e&isSpecial != 0 && e&isSecond != 0 {
		e = table[e>>16+v>>first&(1<<(e>>8&31)-1)]
		used += uint(e & 15)
	}
	f.in.back(v, maxLength, used)
	if e&isSpecial != 0 && e&isEnd == 0 {
		return 0, f.corrupt(faultCode)
	}
	return e, nil
}

// LiteralCode returns the code that the block has for a literal, and how many bits that
// is; 0 if it has none.
func (f *Inflater) LiteralCode(b byte) (code uint32, n uint) {
	table := f.literals
	is := func(e uint32) bool { return e&(isLiteral|isSpecial) == isLiteral && byte(e>>16) == b }
	for i, e := range table[:1<<literalBits] {
		if is(e) {
			n := uint(e & 15)
			return uint32(i) & (1<<n - 1), n
		}
		if e&isSpecial == 0 || e&isSecond == 0 {
			continue
		}
		for j := range uint32(1) << (e >> 8 & 31) {
			if second := table[e>>16+j]; is(second) {
				n := uint(second & 15)
				return uint32(i) | j&(1<<n-1)<<literalBits, literalBits + n
			}
		}
	}
	return 0, 0
}
