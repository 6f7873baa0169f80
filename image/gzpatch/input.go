package gzpatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	inputSize = 256 << 10
	// padding is how many zero bytes stand behind the last byte of the stream, so
	// that eight bytes can be loaded at once up to its very end.
	padding = 32
)

// ErrFormat is what an error wraps when the stream is at fault, and not the
// reading of it.
var ErrFormat = errors.New("not a valid gzip stream")

// input hands out bits of a stream, the lowest of each byte first.
type input struct {
	src  io.ReaderAt
	size int64
	buf  *[inputSize + padding]byte
	base int64 // offset of buf[0] in the stream
	pos  int
	end  int    // behind the last byte in buf, padding included
	eof  bool   // buf holds the end of the stream, and padding
	bits uint64 // bits that are taken from buf[:pos] and not yet used
	n    uint   // how many
}

func newInput(src io.ReaderAt, size int64) *input {
	return &input{src: src, size: size, buf: new([inputSize + padding]byte)}
}

// position is the number of bits that were used.
func (in *input) position() int64 { return (in.base+int64(in.pos))*8 - int64(in.n) }

// seek goes to a position in bits.
func (in *input) seek(position int64) error {
	in.base, in.pos, in.end, in.eof, in.bits, in.n = position/8, 0, 0, false, 0, 0
	if rest := uint(position % 8); rest > 0 {
		_, err := in.take(rest)
		return err
	}
	return nil
}

// safe is the last pos from which eight bytes can be loaded.
func (in *input) safe() int { return in.end - 8 }

// fill makes pos at most safe.
func (in *input) fill() error {
	if in.pos <= in.safe() {
		return nil
	}
	if in.eof {
		return in.truncated()
	}
	// The stream may have been padded into by at most a word, never past end.
	kept := copy(in.buf[:], in.buf[in.pos:in.end])
	in.base += int64(in.pos)
	in.pos, in.end = 0, kept
	want := min(int64(inputSize-kept), in.size-in.base-int64(kept))
	if want > 0 {
		n, err := in.src.ReadAt(in.buf[kept:kept+int(want)], in.base+int64(kept))
		if int64(n) < want {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read at %d: %w", in.base+int64(kept)+int64(n), err)
		}
		in.end += n
	}
	if in.base+int64(in.end) >= in.size {
		clear(in.buf[in.end : in.end+padding])
		in.end += padding
		in.eof = true
	}
	return nil
}

func (in *input) truncated() error {
	return fmt.Errorf("%w: it ends at byte %d, in the middle: %w", ErrFormat, in.size, io.ErrUnexpectedEOF)
}

// overrun reports whether padding was taken for the stream.
func (in *input) overrun() bool { return in.eof && in.position() > in.size*8 }

// take returns up to 32 bits.
func (in *input) take(count uint) (uint32, error) {
	if in.n < count {
		if err := in.fill(); err != nil {
			return 0, err
		}
		in.bits |= binary.LittleEndian.Uint64(in.buf[in.pos:]) << in.n
		in.pos += int((63 - in.n) >> 3)
		in.n |= 56
	}
	v := uint32(in.bits & (1<<count - 1))
	in.bits >>= count
	in.n -= count
	in.bits &= 1<<in.n - 1
	return v, nil
}

// code reads a code and returns its entry of the table.
func (in *input) code(table []uint32, first uint) (uint32, error) {
	v, err := in.take(maxLength)
	if err != nil {
		return 0, err
	}
	e := table[v&(1<<first-1)]
	used := uint(e & 15)
	if e&isSpecial != 0 && e&isSecond != 0 {
		e = table[e>>16+v>>first&(1<<(e>>8&31)-1)]
		used += uint(e & 15)
	}
	// The bits that the code did not need go back.
	in.bits = in.bits<<(maxLength-used) | uint64(v>>used)
	in.n += maxLength - used
	return e, nil
}

// align drops the rest of a byte that was begun.
func (in *input) align() {
	in.bits >>= in.n & 7
	in.n &^= 7
}

// unread gives whole bytes back, after align.
func (in *input) unread() {
	in.pos -= int(in.n / 8)
	in.bits, in.n = 0, 0
}

// bytes returns the next 1 to max bytes, of an input that is aligned and
// unread.
func (in *input) bytes(limit int) ([]byte, error) {
	if err := in.fill(); err != nil {
		return nil, err
	}
	there := in.end - in.pos
	if in.eof {
		there -= padding
	}
	if there <= 0 {
		return nil, in.truncated()
	}
	b := in.buf[in.pos : in.pos+min(limit, there)]
	in.pos += len(b)
	return b, nil
}

// byte returns the next byte of an input that is aligned and unread.
func (in *input) byte() (byte, error) {
	b, err := in.bytes(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// word returns the next four bytes as a number.
func (in *input) word() (uint32, error) {
	var v uint32
	for i := range 4 {
		b, err := in.byte()
		if err != nil {
			return 0, err
		}
		v |= uint32(b) << (8 * i)
	}
	return v, nil
}
