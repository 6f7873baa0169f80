package deflate

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
// reading of it. Deflate streams are read here out of gzip streams.
var ErrFormat = errors.New("not a valid gzip stream")

// Input hands out bits of a stream, the lowest of each byte first.
type Input struct {
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

// NewInput returns the input of a stream of the given size.
func NewInput(src io.ReaderAt, size int64) *Input {
	return &Input{src: src, size: size, buf: new([inputSize + padding]byte)}
}

// Source is what the stream is read from.
func (in *Input) Source() io.ReaderAt { return in.src }

// Size is how many bytes the stream has.
func (in *Input) Size() int64 { return in.size }

// Position is the number of bits that were used.
func (in *Input) Position() int64 { return (in.base+int64(in.pos))*8 - int64(in.n) }

// GoTo goes to a position in bits.
func (in *Input) GoTo(position int64) error {
	in.base, in.pos, in.end, in.eof, in.bits, in.n = position/8, 0, 0, false, 0, 0
	if rest := uint(position % 8); rest > 0 {
		_, err := in.Take(rest)
		return err
	}
	return nil
}

// safe is the last pos from which eight bytes can be loaded.
func (in *Input) safe() int { return in.end - 8 }

// fill makes pos at most safe.
func (in *Input) fill() error {
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

// truncated is the error for a stream that ends too soon.
func (in *Input) truncated() error {
	return fmt.Errorf("%w: it ends at byte %d, in the middle: %w", ErrFormat, in.size, io.ErrUnexpectedEOF)
}

// overrun reports whether padding was taken for the stream.
func (in *Input) overrun() bool { return in.eof && in.Position() > in.size*8 }

// Take returns up to 32 bits.
func (in *Input) Take(count uint) (uint32, error) {
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

// back gives back what was not used of so many bits that were taken.
func (in *Input) back(v uint32, taken, used uint) {
	in.bits = in.bits<<(taken-used) | uint64(v>>used)
	in.n += taken - used
}

// Align drops the rest of a byte that was begun. Until bits are taken again, bytes can
// be read.
func (in *Input) Align() {
	in.pos -= int(in.n / 8)
	in.bits, in.n = 0, 0
}

// Bytes returns the next bytes of an input that is aligned, one at least. The next call
// overwrites them.
func (in *Input) Bytes(most int) ([]byte, error) {
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
	b := in.buf[in.pos : in.pos+min(most, there)]
	in.pos += len(b)
	return b, nil
}

// Byte returns the next byte of an input that is aligned.
func (in *Input) Byte() (byte, error) {
	b, err := in.Bytes(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// Word returns the next four bytes as a number, the lowest first.
func (in *Input) Word() (uint32, error) {
	var v uint32
	for i := range 4 {
		b, err := in.Byte()
		if err != nil {
			return 0, err
		}
		v |= uint32(b) << (8 * i)
	}
	return v, nil
}

// Skip passes over n bytes of an input that is aligned.
func (in *Input) Skip(n int) error {
	for n > 0 {
		b, err := in.Bytes(n)
		if err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}
