package gzpatch

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/capwise/capwise/image/internal/deflate"
)

// ErrFormat is what an error wraps when the stream is at fault, and not the
// reading of it.
var ErrFormat = deflate.ErrFormat

// checkpoint is a place between two blocks from which the rest can be decoded.
type checkpoint struct {
	position int64  // in bits
	total    int64  // bytes decoded, of the whole stream
	crc      uint32 // of the member's content so far
	window   []byte
}

// member is one of the gzip members that a stream consists of.
type member struct {
	begin   int64 // of its content in that of the stream
	end     int64
	trailer int64 // offset of its CRC-32 and length in the stream
	crc     uint32
}

// Index is what [Patch] needs to know about a stream.
type Index struct {
	checkpoints []checkpoint
	members     []member
}

// Checkpoints are this many bytes of content apart, or twice that, and so on,
// so that there are never more than maxCheckpoints.
const (
	checkpointSpacing = 2 << 20
	maxCheckpoints    = 32
)

// Reader reads the content of a gzip stream, checks its CRC-32 and lengths, and
// on the way builds its [Index].
type Reader struct {
	in      *deflate.Input
	inf     *deflate.Inflater
	index   Index
	spacing int64
	inside  bool // of a member
	crc     uint32
	ready   []byte // decoded and not yet read
	err     error
}

// NewReader returns a reader of a stream of the given size.
func NewReader(src io.ReaderAt, size int64) *Reader {
	in := deflate.NewInput(src, size)
	return &Reader{in: in, inf: deflate.NewInflater(in), spacing: checkpointSpacing}
}

// Index returns the index, after Read has returned [io.EOF].
func (r *Reader) Index() *Index { return &r.index }

// Read implements [io.Reader]. Errors that the stream is to blame for wrap
// [ErrFormat].
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.more(); err != nil {
		return 0, err
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// more makes sure that something is ready, or returns why nothing is.
func (r *Reader) more() error {
	for len(r.ready) == 0 && r.err == nil {
		r.ready, r.err = r.next()
		r.crc = crc32.Update(r.crc, crc32.IEEETable, r.ready)
	}
	if len(r.ready) == 0 {
		return r.err
	}
	return nil
}

// Discard passes over n bytes of content, without copying them. It returns how
// many there were; fewer than n only with an error.
func (r *Reader) Discard(n int64) (int64, error) {
	left := n
	for left > 0 {
		if err := r.more(); err != nil {
			return n - left, err
		}
		piece := min(left, int64(len(r.ready)))
		r.ready = r.ready[piece:]
		left -= piece
	}
	return n, nil
}

// WriteTo implements [io.WriterTo]: what is decoded is not copied on the way.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		switch err := r.more(); {
		case errors.Is(err, io.EOF):
			return total, nil
		case err != nil:
			return total, err
		}
		n, err := w.Write(r.ready)
		total += int64(n)
		r.ready = r.ready[n:]
		if err != nil {
			return total, err
		}
	}
}

func (r *Reader) next() ([]byte, error) {
	if !r.inside {
		return nil, r.beginMember()
	}
	switch r.inf.State() {
	case deflate.AtEnd:
		return nil, r.endMember()
	case deflate.AtBlock:
		r.mark()
	}
	return r.inf.Step()
}

func (r *Reader) beginMember() error {
	if len(r.index.members) > 0 && r.in.Position() == r.in.Size()*8 {
		return io.EOF
	}
	if err := skipHeader(r.in); err != nil {
		return err
	}
	r.inside, r.crc = true, 0
	total := r.inf.Total()
	r.inf.Reset(nil, total)
	r.index.members = append(r.index.members, member{begin: total})
	if len(r.index.members) > maxMembers {
		return fmt.Errorf("%w: more than %d members", ErrFormat, maxMembers)
	}
	return nil
}

// maxMembers bounds the memory of an index; an eStargz layer has one member for
// each file, or for each 4 MiB of one.
const maxMembers = 4 << 20

// mark adds a checkpoint if the last one is far enough away, or in another
// member.
func (r *Reader) mark() {
	points := r.index.checkpoints
	if n := len(points); n > 0 && r.inf.Total()-points[n-1].total < r.spacing {
		return
	}
	if len(points) == maxCheckpoints {
		kept := points[:0]
		for i := 0; i < len(points); i += 2 {
			kept = append(kept, points[i])
		}
		r.spacing *= 2
		r.index.checkpoints = kept
	}
	r.index.checkpoints = append(r.index.checkpoints, checkpoint{
		position: r.in.Position(), total: r.inf.Total(), crc: r.crc, window: slices.Clone(r.inf.Window()),
	})
}

func (r *Reader) endMember() error {
	r.inside = false
	m := &r.index.members[len(r.index.members)-1]
	r.in.Align()
	m.trailer, m.end, m.crc = r.in.Position()/8, r.inf.Total(), r.crc
	crc, err := r.in.Word()
	if err != nil {
		return err
	}
	size, err := r.in.Word()
	if err != nil {
		return err
	}
	if crc != r.crc {
		return fmt.Errorf("%w: the CRC-32 at byte %d is %08x, that of the content %08x", ErrFormat, m.trailer, crc, r.crc)
	}
	if size != uint32(m.end-m.begin) {
		return fmt.Errorf("%w: the length at byte %d is %d, that of the content %d", ErrFormat, m.trailer+4, size, m.end-m.begin)
	}
	return nil
}
