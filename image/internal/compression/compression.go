// Package compression reads and writes what is compressed with gzip or zstd, or not at
// all. It goes by the first bytes, since media types and file names are often wrong.
package compression

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/internal/limit"
)

// Kind is how something is compressed.
type Kind string

// The kinds.
const (
	None Kind = "uncompressed"
	Gzip Kind = "gzip"
	Zstd Kind = "zstd"
)

// MagicSize is how many bytes tell the kinds apart.
const MagicSize = 4

// Of returns the kind of what begins with the bytes.
func Of(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), len(head) >= MagicSize && string(head[1:MagicSize]) == "\x2a\x4d\x18" && head[0]>>4 == 5:
		return Zstd
	}
	return None
}

// Detect returns the kind of a file.
func Detect(r io.ReaderAt) (Kind, error) {
	var magic [MagicSize]byte
	n, err := r.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return Of(magic[:n]), nil
}

// Open returns a reader of a file's content; of gzip a [gzpatch.Reader]. The caller
// calls done when it is through.
func (k Kind) Open(file io.ReaderAt, size int64) (r io.Reader, done func(), err error) {
	if k == Gzip { // in half the time
		return gzpatch.NewReader(file, size), func() {}, nil
	}
	return k.Stream(io.NewSectionReader(file, 0, size))
}

// Stream is Open for what can be read once only.
func (k Kind) Stream(from io.Reader) (r io.Reader, done func(), err error) {
	switch k {
	case Gzip:
		r, err := gzip.NewReader(from)
		return r, func() {}, err
	case Zstd:
		r, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(limit.Window.Most)))
		if err != nil {
			return nil, nil, err
		}
		return windowed{r}, r.Close, nil
	}
	return from, func() {}, nil
}

// windowed words the error of a window that is too large.
type windowed struct{ io.Reader }

// Read implements [io.Reader].
func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = &limit.Error{Limit: limit.Window}
	}
	return n, err
}

// Writer returns a writer that compresses. The same content gives the same bytes.
func (k Kind) Writer(to io.Writer) (io.WriteCloser, error) {
	switch k {
	case Gzip:
		return gzip.NewWriter(to), nil
	case Zstd:
		return zstd.NewWriter(to, zstd.WithEncoderConcurrency(1)) // with more workers they differ
	}
	return plain{to}, nil
}

type plain struct{ io.Writer }

// Close implements [io.Closer].
func (plain) Close() error { return nil }
