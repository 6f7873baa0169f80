package deflate

import "encoding/binary"

const (
	faultCode  = "a code that the block does not have"
	faultMatch = "a match refers to bytes before the first"
)

// decode is coded without the bookkeeping. It returns what is wrong with the
// stream as fault.
//
//nolint:funlen,gocognit // the loop that all time is spent in; its bits stay in registers
func (f *Inflater) decode() (done bool, fault string, err error) {
	in, win, w := f.in, f.win, f.w
	literals, offsets := f.literals, f.offsets
	bb, nb, pos, buf, safe := in.bits, in.n, in.pos, in.buf, in.safe()
loop:
	for w < limit {
		if pos > safe {
			in.bits, in.n, in.pos = bb&(1<<nb-1), nb, pos
			if err := in.fill(); err != nil {
				f.w = w
				return false, "", err
			}
			bb, pos, safe = in.bits, in.pos, in.safe()
		}
		bb |= binary.LittleEndian.Uint64(buf[pos:]) << (nb & 63)
		pos += int((63 - nb) >> 3)
		nb |= 56
		e := literals[bb&(1<<literalBits-1)]
		if e&isLiteral != 0 {
			bb >>= e & 15
			nb -= uint(e & 15)
			win[w] = byte(e >> 16)
			w++
			e = literals[bb&(1<<literalBits-1)]
			if e&isLiteral != 0 {
				bb >>= e & 15
				nb -= uint(e & 15)
				win[w] = byte(e >> 16)
				w++
				continue
			}
			if pos > safe {
				continue
			}
			bb |= binary.LittleEndian.Uint64(buf[pos:]) << (nb & 63)
			pos += int((63 - nb) >> 3)
			nb |= 56
		}
		if e&isSpecial != 0 {
			if e&isSecond != 0 {
				bb >>= literalBits
				nb -= literalBits
				e = literals[(e>>16+uint32(bb)&(1<<(e>>8&31)-1))&(literalSize-1)]
				if e&isLiteral != 0 {
					bb >>= e & 15
					nb -= uint(e & 15)
					win[w] = byte(e >> 16)
					w++
					continue
				}
			}
			if e&isEnd != 0 {
				bb >>= e & 15
				nb -= uint(e & 15)
				done = true
				break loop
			}
			if e&isSpecial != 0 {
				fault = faultCode
				break loop
			}
		}
		bb >>= e & 15
		nb -= uint(e & 15)
		extra := e >> 8 & 31
		length := int(e>>16) + int(bb&(1<<extra-1))
		bb >>= extra
		nb -= uint(extra)

		e = offsets[bb&(1<<offsetBits-1)]
		if e&isSpecial != 0 {
			if e&isSecond != 0 {
				bb >>= offsetBits
				nb -= offsetBits
				e = offsets[(e>>16+uint32(bb)&(1<<(e>>8&31)-1))&(offsetSize-1)]
			}
			if e&isSpecial != 0 {
				fault = faultCode
				break loop
			}
		}
		bb >>= e & 15
		nb -= uint(e & 15)
		extra = e >> 8 & 31
		distance := int(e>>16) + int(bb&(1<<extra-1))
		bb >>= extra
		nb -= uint(extra)

		if distance > w-f.from {
			fault = faultMatch
			break loop
		}
		repeat(win, w, distance, length)
		w += length
	}
	in.bits, in.n, in.pos = bb&(1<<nb-1), nb, pos
	f.w = w
	return done, fault, nil
}

// repeat writes length bytes at w, from distance before. It may write up to
// seven bytes more.
func repeat(win *[limit + slack]byte, w, distance, length int) {
	from := w - distance
	switch {
	case distance >= length && length > 24:
		copy(win[w:w+length], win[from:from+length])
	case distance >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(win[w+i:], binary.LittleEndian.Uint64(win[from+i:]))
		}
	default:
		to, source := win[w:w+length], win[from:from+length]
		for i := range to {
			to[i] = source[i]
		}
	}
}
