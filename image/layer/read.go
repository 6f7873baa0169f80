// Package layer reads and changes single layers of images: what a layer has in it,
// once and for whoever asks, as package facts keeps it; and, to the byte, what becomes
// of it when attributes are changed and launchers put before programs. It knows of no
// image and of no other layer.
package layer

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/internal/limit"
)

// Source is where a layer's blob comes from.
type Source interface {
	// Open returns the blob, compressed or not, and its size, 0 if that is not known.
	// What implements [io.ReaderAt] is read faster; what has a method ChecksDigest says
	// at its end whether it had the digest.
	Open() (io.ReadCloser, int64, error)
	// Key is the digest of the blob, "" if nobody says it.
	Key() string
	// Bytes is the size of the blob, 0 if that is not known.
	Bytes() int64
}

// Reader reads layers. Several goroutines may use it.
type Reader struct {
	cache    *facts.Cache
	meter    *meter.Meter
	turns    turns
	progress *Progress
	most     limit.Limit // of names in all layers
	names    atomic.Int64
	failed   atomic.Bool // one of the layers could not be read
}

// ErrStopped says that a layer was not read to its end, since another of the [Reader]'s
// could not be read, and its error is the one to know.
var ErrStopped = errors.New("stopped, since another layer could not be read")

// NewReader returns a reader that asks the cache first, and tells the progress; both
// may be nil. Together the layers may have so many names as most says; what they unpack
// to, and what is kept of them, is bounded for all of them, too.
func NewReader(cache *facts.Cache, progress *Progress, most limit.Limit) *Reader {
	return &Reader{cache: cache, meter: &meter.Meter{}, turns: newTurns(), progress: progress, most: most}
}

// Facts returns the facts of a layer: those that are kept of its digest, or else
// those that it reads. The caller closes them.
func (r *Reader) Facts(s Source) (*facts.Layer, error) {
	if l, err := r.Known(s); l != nil || err != nil {
		return l, err
	}
	return r.Read(s)
}

// Known returns the facts of a layer if they are kept, and nil otherwise. The error
// says that all layers together are above a limit.
func (r *Reader) Known(s Source) (*facts.Layer, error) {
	l := r.cache.Layer(s.Key())
	if l == nil {
		return nil, nil
	}
	r.progress.known(s.Bytes())
	return r.counted(l, r.meter.Keep(l.Kept()))
}

// counted counts the names of a layer that is in memory.
func (r *Reader) counted(l *facts.Layer, err error) (*facts.Layer, error) {
	if err == nil {
		err = r.most.Check(r.names.Add(int64(l.Len())))
	}
	if err == nil {
		return l, nil
	}
	r.failed.Store(true)
	return nil, errors.Join(err, l.Close())
}

// Read reads a layer, and keeps its facts. The error says what is wrong with it: it
// cannot be read, it is above a limit, or it is not what its digest says.
func (r *Reader) Read(s Source) (*facts.Layer, error) {
	w := &walk{reader: r}
	l, err := w.read(s)
	return l, errors.Join(err, w.spool.close(), w.libraries.close())
}

// Editable is a layer that was read to be changed.
type Editable struct {
	Facts *facts.Layer
	// Entries are those with the attribute.
	Entries []*Entry

	blob        io.ReaderAt
	size        int64
	digest      string
	compression compression.Kind
	index       *gzpatch.Index // of a gzip layer
	contents    spool
}

// ReadEditable is [Reader.Read] for who may change the layer, whose blob stays what it
// is. digest is that of the blob, "" if nobody says it, and key that by which its facts
// are kept. The caller closes facts and layer.
func (r *Reader) ReadEditable(blob *io.SectionReader, digest, key string) (*Editable, error) {
	l := &Editable{blob: blob, size: blob.Size(), digest: digest}
	w := &walk{reader: r, editable: l}
	var err error
	if l.compression, err = compression.Detect(blob); err == nil {
		l.Facts, err = w.read(held{blob, key})
	}
	l.contents = w.spool
	if err = errors.Join(err, w.libraries.close()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", l.compression, err), l.Close())
	}
	if len(l.Entries) > 0 && w.gzip != nil {
		l.index = w.gzip.Index()
	}
	return l, nil
}

// held is a blob that is at hand.
type held struct {
	*io.SectionReader
	key string
}

// Open implements [Source].
func (h held) Open() (io.ReadCloser, int64, error) { return h, h.Size(), nil }

// Key implements [Source].
func (h held) Key() string { return h.key }

// Bytes implements [Source].
func (h held) Bytes() int64 { return h.Size() }

// Close implements [io.Closer].
func (held) Close() error { return nil }

// Close gives back the contents that are kept of programs.
func (l *Editable) Close() error { return l.contents.close() }
