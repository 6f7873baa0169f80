package deflate

import (
	"math/bits"
	"sync"
)

// An entry of a decoding table says what the next bits stand for:
//
//	bits 0 to 3    how many bits to use
//	bits 8 to 12   how many more bits to add to the value; or the size of the
//	               second table
//	bits 16 to 31  the value: a literal, the base of a length or distance, or
//	               where the second table begins
//
// and these flags. An entry of 0 is a code that the block does not have.
const (
	isLiteral = 1 << 13
	isSpecial = 1 << 14 // end of block, second table or no code
	isSecond  = 1 << 15 // with isSpecial
	isEnd     = 1 << 5  // with isSpecial

	noCode = isSpecial
)

// First tables are indexed by this many bits; a second one decides on longer
// codes. All tables of a code fit the size, by the bounds that zlib's
// examples/enough.c computes (2342 and 592).
const (
	literalBits = 11
	literalSize = 1 << 12
	offsetBits  = 9
	offsetSize  = 1 << 10
	maxLength   = 15
)

// literalTable and offsetTable have sizes that make index checks vanish.
type (
	literalTable [literalSize]uint32
	offsetTable  [offsetSize]uint32
)

const (
	endOfBlock  = 256
	maxLiterals = 286
	maxOffsets  = 30
)

// symbols are the entries of all codes, without their length: of literals and
// lengths, of offsets, and of the code lengths themselves (RFC 1951, 3.2.5).
type symbols struct {
	literals [288]uint32
	offsets  [32]uint32
	lengths  [19]uint32
}

var allSymbols = sync.OnceValue(func() *symbols {
	s := &symbols{}
	for i := range endOfBlock {
		s.literals[i] = isLiteral | uint32(i)<<16
	}
	s.literals[endOfBlock] = isSpecial | isEnd
	base := uint32(3)
	for i := range 28 {
		extra := uint32(max(i/4-1, 0))
		s.literals[257+i] = base<<16 | extra<<8
		base += 1 << extra
	}
	s.literals[285] = 258 << 16
	s.literals[286], s.literals[287] = noCode, noCode
	base = 1
	for i := range maxOffsets {
		extra := uint32(max(i/2-1, 0))
		s.offsets[i] = base<<16 | extra<<8
		base += 1 << extra
	}
	s.offsets[30], s.offsets[31] = noCode, noCode
	for i := range s.lengths {
		s.lengths[i] = uint32(i) << 16
	}
	return s
})

// fixed are the tables of blocks without codes of their own.
type fixed struct {
	literals literalTable
	offsets  offsetTable
}

var fixedTables = sync.OnceValue(func() *fixed {
	f := &fixed{}
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	buildTable(f.literals[:], literalBits, lengths[:], allSymbols().literals[:])
	var offsets [32]uint8
	for i := range offsets {
		offsets[i] = 5
	}
	buildTable(f.offsets[:], offsetBits, offsets[:], allSymbols().offsets[:])
	return f
})

// buildTable makes the tables of a code from the lengths of its symbols. It
// reports whether the code is one: complete, or a single symbol of one bit, or
// none at all.
func buildTable(table []uint32, first uint, lengths []uint8, symbols []uint32) bool {
	var count [maxLength + 1]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	var next [maxLength + 2]uint32
	longest := 0
	for l := 1; l <= maxLength; l++ {
		if count[l] > 0 {
			longest = l
		}
		next[l+1] = (next[l] + uint32(count[l])) << 1
		if next[l]+uint32(count[l]) > 1<<l {
			return false
		}
	}
	complete := longest > 0 && next[longest]+uint32(count[longest]) == 1<<longest
	if !complete && longest > 0 && (longest != 1 || count[1] != 1) {
		return false
	}
	for i := range table[:1<<first] {
		table[i] = noCode
	}
	placeCodes(table, first, lengths, symbols, next)
	return true
}

// placeCodes fills the tables, given the first code of each length.
func placeCodes(table []uint32, first uint, lengths []uint8, symbols []uint32, next [maxLength + 2]uint32) {
	var codes [288]uint16
	for symbol, l := range lengths {
		if l == 0 {
			continue
		}
		code := uint32(bits.Reverse16(uint16(next[l]))) >> (16 - l)
		next[l]++
		codes[symbol] = uint16(code)
		if uint(l) <= first {
			for i := code; i < 1<<first; i += 1 << l {
				table[i] = symbols[symbol] | uint32(l)
			}
			continue
		}
		// A second table is as large as the longest code behind its prefix.
		at := &table[code&(1<<first-1)]
		*at = isSpecial | isSecond | max((*at>>8)&31, uint32(l)-uint32(first))<<8 | uint32(first)
	}
	free := uint32(1) << first
	for i := range table[:1<<first] {
		if e := table[i]; e&(isSpecial|isSecond) == isSpecial|isSecond {
			table[i] = e | free<<16
			free += 1 << ((e >> 8) & 31)
		}
	}
	for symbol, l := range lengths {
		if uint(l) <= first {
			continue
		}
		e := table[uint32(codes[symbol])&(1<<first-1)]
		size := (e >> 8) & 31
		for i := uint32(codes[symbol]) >> first; i < 1<<size; i += 1 << (uint(l) - first) {
			table[e>>16+i] = symbols[symbol] | uint32(uint(l)-first)
		}
	}
}
