package gzpatch

// bitWriter collects bits, the lowest of each byte first.
type bitWriter struct {
	bytes []byte
	free  uint // bits of the last byte that are not yet written
}

// newBitWriter returns a writer whose first byte has its low bits written.
func newBitWriter(first byte, written uint) *bitWriter {
	if written == 0 {
		return &bitWriter{}
	}
	return &bitWriter{bytes: []byte{first & (1<<written - 1)}, free: 8 - written}
}

func (w *bitWriter) write(v uint64, count uint) {
	for ; count > 0; count-- {
		if w.free == 0 {
			w.bytes = append(w.bytes, 0)
			w.free = 8
		}
		w.bytes[len(w.bytes)-1] |= byte(v&1) << (8 - w.free)
		w.free--
		v >>= 1
	}
}

// phase is how many bits of the last byte are written, 0 for all of them.
func (w *bitWriter) phase() uint { return (8 - w.free) % 8 }

// storedNothing writes a stored block of no bytes. It ends at a byte.
func (w *bitWriter) storedNothing() {
	w.write(0, 3)
	w.write(0, w.free)
	w.write(0xffff0000, 32)
}

// fixedNothing writes a block of no bytes with the fixed code: 10 bits.
func (w *bitWriter) fixedNothing() { w.write(0b0000000_01_0, 10) }

// dynamicNothing writes a block of no bytes with a code of its own: 95 bits, an
// odd number. Its codes are complete, so that every decoder takes them: the
// literal 255 and the end of block have one bit each, and so have two offsets.
func (w *bitWriter) dynamicNothing() {
	w.write(0b10_0, 3)
	w.write(0, 5)    // 257 literals and lengths
	w.write(1, 5)    // 2 offsets
	w.write(19-4, 4) // all lengths of the code of code lengths
	for place := range 19 {
		switch place {
		case 2, 17: // where 18 and 1 stand in the order of RFC 1951, 3.2.7
			w.write(1, 3)
		default:
			w.write(0, 3)
		}
	}
	// In the code of code lengths 0 stands for "length 1", and 1 for "that many
	// symbols without a code", in seven bits more, counted from 11.
	w.write(1, 1)
	w.write(138-11, 7)
	w.write(1, 1)
	w.write(117-11, 7)
	w.write(0, 4) // the literal 255, the end of block, two offsets
	w.write(1, 1) // the end of block; the literal 255 is 0
}

// padTo writes blocks of no bytes until the phase is as wanted: at most 125
// bits. What follows can then be copied byte for byte.
func (w *bitWriter) padTo(phase uint) {
	if (phase-w.phase())%2 != 0 {
		w.dynamicNothing()
	}
	for w.phase() != phase {
		w.fixedNothing()
	}
}

// length is how many bits are written, with those that were there.
func (w *bitWriter) length() int64 { return int64(len(w.bytes))*8 - int64(w.free) }

// maxFill bounds the bits that are filled with blocks of no bytes.
const maxFill = 2048

// fill writes blocks of no bytes until the length is as wanted. It reports false,
// and writes nothing, where no sequence of them has that length.
func (w *bitWriter) fill(length int64) bool {
	n := length - w.length()
	if n < 0 || n > maxFill {
		return false
	}
	blocks := []struct {
		size  func(phase int64) int64
		write func()
	}{
		{func(phase int64) int64 { return 3 + -(phase+3)&7 + 32 }, w.storedNothing},
		{func(int64) int64 { return 10 }, w.fixedNothing},
		{func(int64) int64 { return 95 }, w.dynamicNothing},
	}
	// first holds which block to write when so many bits are left, counted from 1.
	first := make([]int, n+1)
	for left := int64(1); left <= n; left++ {
		for i, b := range blocks {
			if rest := left - b.size((length-left)&7); rest == 0 || rest > 0 && first[rest] > 0 {
				first[left] = i + 1
				break
			}
		}
	}
	if n > 0 && first[n] == 0 {
		return false
	}
	for n > 0 {
		blocks[first[n]-1].write()
		n = length - w.length()
	}
	return true
}
