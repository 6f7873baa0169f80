// Package meter counts what the layers of an image unpack to, all together, and
// says when it is more than an image has.
package meter

import (
	"io"
	"sync/atomic"

	"github.com/capwise/capwise/internal/limit"
)

// Meter is the account of one run. Several goroutines use it.
type Meter struct {
	packed, unpacked, kept, contents atomic.Int64
}

// Packed says that a layer of that many bytes is going to be read.
func (m *Meter) Packed(size int64) { m.packed.Add(max(size, 0)) }

// Keep counts bytes that stay in memory.
func (m *Meter) Keep(n int) error { return limit.Kept.Check(m.kept.Add(int64(n))) }

// Content counts bytes of programs that are kept to be looked into.
func (m *Meter) Content(n int64) error { return limit.Contents.Check(m.contents.Add(n)) }

// unpack counts bytes that came out of decompression.
func (m *Meter) unpack(n int64) error {
	all := m.unpacked.Add(n)
	if err := limit.Unpacked.Check(all); err != nil {
		return err
	}
	if packed := m.packed.Load(); all > limit.UnpackedFree && all/limit.Ratio.Most > packed {
		return &limit.Error{Limit: limit.Ratio}
	}
	return nil
}

// Reader counts what is read of a decompressed layer.
func (m *Meter) Reader(r io.Reader) *Reader { return &Reader{r: r, meter: m} }

// Reader is a layer that is counted.
type Reader struct {
	r     io.Reader
	meter *Meter
	err   error
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	return n, r.count(int64(n), err)
}

// step is how much is passed over between two looks at the account.
const step = 16 << 20

// Discard passes over n bytes, as fast as the reader below can.
func (r *Reader) Discard(n int64) (int64, error) {
	fast, ok := r.r.(interface{ Discard(int64) (int64, error) })
	done := int64(0)
	for done < n && r.err == nil {
		var passed int64
		var err error
		if piece := min(step, n-done); ok {
			passed, err = fast.Discard(piece)
		} else {
			passed, err = io.CopyN(io.Discard, r.r, piece)
		}
		done += passed
		if err = r.count(passed, err); err != nil {
			return done, err
		}
	}
	return done, r.err
}

// count counts what came, and remembers that it was too much.
func (r *Reader) count(n int64, err error) error {
	if r.err = r.meter.unpack(n); r.err != nil {
		return r.err
	}
	return err
}
