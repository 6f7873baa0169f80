package gzpatch

import (
	"encoding/binary"
	"fmt"
)

const (
	windowSize = 32 << 10
	// flushSize is how many bytes are decoded at a time.
	flushSize = 128 << 10
	// slack is room for what one turn of the loop may write past the limit: three
	// literals, or a match whose last word runs over.
	slack = 512
	limit = windowSize + flushSize
)

// state is where in a deflate stream the inflater stands.
type state uint8

const (
	atBlock  state = iota // before the header of a block
	inStored              // in a block without compression
	inCoded               // in a block with a code
	atEnd                 // behind the last block
)

// inflater decodes one deflate stream, and stops between blocks.
type inflater struct {
	in       *input
	state    state
	final    bool // the block is the stream's last
	stored   int  // bytes left of a stored block
	literals *literalTable
	offsets  *offsetTable
	own      fixed                // room for the tables of the block
	win      *[limit + slack]byte // what was decoded, and the window before it
	w        int                  // end of what is in win
	from     int                  // beginning of what matches may refer to
	total    int64                // bytes decoded
}

func newInflater(in *input) *inflater {
	return &inflater{in: in, win: new([limit + slack]byte)}
}

// reset begins a stream at the input's position, total bytes into its content
// and with the window before.
func (f *inflater) reset(window []byte, total int64) {
	f.state, f.final, f.from = atBlock, false, 0
	f.w = copy(f.win[:], window)
	f.total = total
}

// window returns what a match of the next block may refer to.
func (f *inflater) window() []byte { return f.win[max(f.from, f.w-windowSize):f.w] }

// corrupt returns an error that names the place.
func (f *inflater) corrupt(what string) error {
	return fmt.Errorf("%w: byte %d: %s", ErrFormat, f.in.position()/8, what)
}

// step reads the header of a block, or decodes up to the block's end or until
// there is enough. It returns what it decoded; the next step overwrites it.
func (f *inflater) step() ([]byte, error) {
	if f.w >= limit {
		kept := copy(f.win[:], f.win[f.w-windowSize:f.w])
		f.from = max(0, f.from-(f.w-windowSize))
		f.w = kept
	}
	begin := f.w
	var err error
	switch f.state {
	case atBlock:
		err = f.header()
	case inStored:
		err = f.copyStored()
	case inCoded:
		err = f.coded()
	}
	if err == nil && f.in.overrun() {
		err = f.in.truncated()
	}
	if err != nil {
		return nil, err
	}
	f.total += int64(f.w - begin)
	return f.win[begin:f.w], nil
}

// coded decodes a block with a code, up to its end or to the limit.
func (f *inflater) coded() error {
	done, fault, err := f.decode()
	if fault != "" {
		return f.corrupt(fault)
	}
	if done {
		f.endBlock()
	}
	return err
}

func (f *inflater) endBlock() {
	f.state = atBlock
	if f.final {
		f.state = atEnd
	}
}

func (f *inflater) header() error {
	v, err := f.in.take(3)
	if err != nil {
		return err
	}
	f.final = v&1 != 0
	switch v >> 1 {
	case 0:
		return f.storedHeader()
	case 1:
		f.literals, f.offsets = &fixedTables().literals, &fixedTables().offsets
	case 2:
		if err := f.dynamicHeader(); err != nil {
			return err
		}
	default:
		return f.corrupt("unknown type of block")
	}
	f.state = inCoded
	return nil
}

func (f *inflater) storedHeader() error {
	f.in.align()
	f.in.unread()
	v, err := f.in.word()
	if err != nil {
		return err
	}
	if v&0xffff != ^v>>16 {
		return f.corrupt("the length of a stored block differs from its complement")
	}
	f.stored = int(v & 0xffff)
	f.state = inStored
	if f.stored == 0 {
		f.endBlock()
	}
	return nil
}

func (f *inflater) copyStored() error {
	b, err := f.in.bytes(min(f.stored, limit-f.w))
	if err != nil {
		return err
	}
	f.w += copy(f.win[f.w:], b)
	if f.stored -= len(b); f.stored == 0 {
		f.endBlock()
	}
	return nil
}

// lengthOrder is the order in which a block lists the lengths of the code of
// code lengths.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (f *inflater) dynamicHeader() error {
	v, err := f.in.take(14)
	if err != nil {
		return err
	}
	literals, offsets, listed := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if literals > maxLiterals || offsets > maxOffsets {
		return f.corrupt("a block lists more symbols than there are")
	}
	var small [19]uint8
	for _, symbol := range lengthOrder[:listed] {
		v, err := f.in.take(3)
		if err != nil {
			return err
		}
		small[symbol] = uint8(v)
	}
	var table [1 << 7]uint32
	if !buildTable(table[:], 7, small[:], allSymbols().lengths[:]) {
		return f.corrupt("the code of code lengths is not one")
	}
	var lengths [maxLiterals + maxOffsets]uint8
	if err := f.codeLengths(lengths[:literals+offsets], &table); err != nil {
		return err
	}
	if lengths[endOfBlock] == 0 {
		return f.corrupt("a block has no code for its end")
	}
	symbols := allSymbols()
	if !buildTable(f.own.literals[:], literalBits, lengths[:literals], symbols.literals[:]) ||
		!buildTable(f.own.offsets[:], offsetBits, lengths[literals:literals+offsets], symbols.offsets[:]) {
		return f.corrupt("the code of a block is not one")
	}
	f.literals, f.offsets = &f.own.literals, &f.own.offsets
	return nil
}

// codeLengths reads the lengths of a block's codes, in which runs are packed.
func (f *inflater) codeLengths(lengths []uint8, table *[1 << 7]uint32) error {
	for i := 0; i < len(lengths); {
		symbol, err := f.symbol(table)
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		value, base, extra := uint8(0), 3, uint(3)
		switch symbol {
		case 16:
			if i == 0 {
				return f.corrupt("a code length is to be repeated before the first")
			}
			value, extra = lengths[i-1], 2
		case 18:
			base, extra = 11, 7
		}
		more, err := f.in.take(extra)
		if err != nil {
			return err
		}
		end := i + base + int(more)
		if end > len(lengths) {
			return f.corrupt("a block lists more code lengths than it says")
		}
		for ; i < end; i++ {
			lengths[i] = value
		}
	}
	return nil
}

// symbol reads a symbol of the code of code lengths.
func (f *inflater) symbol(table *[1 << 7]uint32) (uint32, error) {
	v, err := f.in.take(7)
	if err != nil {
		return 0, err
	}
	e := table[v]
	if e&noCode != 0 {
		return 0, f.corrupt(faultCode)
	}
	// The bits that the code did not need go back.
	used := uint(e & 15)
	f.in.bits = f.in.bits<<(7-used) | uint64(v>>used)
	f.in.n += 7 - used
	return e >> 16, nil
}

const (
	faultCode  = "a code that the block does not have"
	faultMatch = "a match refers to bytes before the first"
)

// decode is coded without the bookkeeping. It returns what is wrong with the
// stream as fault.
//
//nolint:funlen,gocognit // the loop that all time is spent in; its bits stay in registers
func (f *inflater) decode() (done bool, fault string, err error) {
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
