package layer

import (
	"io"
	"sync/atomic"
)

// Progress is how much of layers was read, in bytes of blobs. Nil counts nothing.
type Progress struct{ done, all atomic.Int64 }

// Expect says that so many bytes are going to be read, or to be known already.
func (p *Progress) Expect(n int64) {
	if p != nil {
		p.all.Add(max(n, 0))
	}
}

// Bytes says how many bytes were read, of how many. That there are more may turn out
// later.
func (p *Progress) Bytes() (done, all int64) { return p.done.Load(), p.all.Load() }

// known says that bytes which were expected need not be read.
func (p *Progress) known(n int64) {
	if p != nil {
		p.done.Add(max(n, 0))
	}
}

// counted counts what is read of a blob.
func (p *Progress) counted(r io.ReadCloser) io.ReadCloser {
	if p == nil {
		return r
	}
	if at, ok := r.(interface {
		io.ReadCloser
		io.ReaderAt
	}); ok {
		return &countedAt{ReadCloser: at, at: at, p: p}
	}
	return &counted{r, p}
}

type counted struct {
	io.ReadCloser
	p *Progress
}

// Read implements [io.Reader].
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.p.done.Add(int64(n))
	return n, err
}

// countedAt counts by the place that was read up to: what passes over content reads
// less than there is.
type countedAt struct {
	io.ReadCloser
	at  io.ReaderAt
	p   *Progress
	end atomic.Int64
}

// ReadAt implements [io.ReaderAt].
func (c *countedAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.at.ReadAt(b, off)
	for {
		was := c.end.Load()
		now := off + int64(n)
		if now <= was {
			return n, err
		}
		if c.end.CompareAndSwap(was, now) {
			c.p.done.Add(now - was)
			return n, err
		}
	}
}
