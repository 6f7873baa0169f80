package fix

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/splice"
)

// changed is what a layer becomes.
type changed struct {
	content           io.ReaderAt
	size              int64
	digest, oldDigest string
	diffID, oldDiffID string
	how               string
	encoded           int64
}

// How a changed layer came about.
const (
	edited       = "edited"
	patched      = "patched"
	recompressed = "recompressed"
)

// errContent is what verification says of a layer that has not the content that
// its image's configuration tells of.
var errContent = errors.New("the content is not what the configuration says")

// rewrite makes the edits. Recompressing, it writes to the file that scratch
// gives.
func (l *layer) rewrite(edits []edit, scratch func() (*os.File, error)) error {
	content, err := l.apply(edits)
	if err == nil {
		err = l.verify(content, edits)
	}
	if l.compression == plain || err == nil || !errors.Is(err, gzpatch.ErrPatch) && !errors.Is(err, errContent) {
		return err
	}
	if errors.Is(err, errContent) {
		// Whose fault is it? That of the patch only if the old layer is right.
		if right := l.check(); right != nil {
			return right
		}
	}
	if l.compression == gzipped {
		l.warnings = append(l.warnings, fmt.Sprintf("%v; the layer is compressed anew", err))
	}
	content = &changed{how: recompressed}
	file, err := scratch()
	if err != nil {
		return err
	}
	if content.size, err = l.recompress(file, edits); err != nil {
		return err
	}
	content.content = file
	return l.verify(content, edits)
}

// apply makes the edits without compressing the layer anew, or says that it
// can't.
func (l *layer) apply(edits []edit) (*changed, error) {
	switch l.compression {
	case gzipped:
		list := make([]gzpatch.Edit, len(edits))
		for i, e := range edits {
			list[i] = gzpatch.Edit{Offset: e.offset, Length: int64(len(e.old)), New: e.new}
		}
		out, err := gzpatch.Patch(l.blob, l.blob.Size(), l.index, list)
		if err != nil {
			return nil, err
		}
		return &changed{content: out, size: out.Size(), how: patched, encoded: out.Encoded}, nil
	case zstded:
		return nil, fmt.Errorf("%w: it is zstd", gzpatch.ErrPatch)
	}
	out, at := &splice.File{}, int64(0)
	for _, e := range edits {
		out.Add(l.blob, at, e.offset-at)
		out.AddBytes(e.new)
		at = e.offset + int64(len(e.old))
	}
	out.Add(l.blob, at, l.blob.Size()-at)
	return &changed{content: out, size: out.Size(), how: edited}, nil
}

// decompress returns a reader of a blob's archive.
func (c compression) decompress(blob io.ReaderAt, size int64) (io.Reader, func(), error) {
	switch c {
	case gzipped:
		return gzpatch.NewReader(blob, size), func() {}, nil
	case zstded:
		r, err := newZstd(io.NewSectionReader(blob, 0, size))
		if err != nil {
			return nil, nil, err
		}
		return r, r.Close, nil
	}
	return io.NewSectionReader(blob, 0, size), func() {}, nil
}

// verify decompresses the changed layer, all of it. With the edits undone it must
// be the old layer, as the configuration gives its digest: then it is the old
// archive with the edits, and with nothing else. On the way it computes digests.
// That of the old blob, where a descriptor gives it, need not be: the content is
// what counts, and is right.
func (l *layer) verify(c *changed, edits []edit) error {
	r, done, err := l.compression.decompress(c.content, c.size)
	if err != nil {
		return err
	}
	defer done()
	var g errgroup.Group
	g.Go(func() (err error) { c.digest, err = digestOf(c.content, c.size); return err })
	if c.oldDigest = l.digest; c.oldDigest == "" {
		g.Go(func() (err error) { c.oldDigest, err = digestOf(l.blob, l.blob.Size()); return err })
	}
	now, before := sha256.New(), sha256.New()
	back := &substitute{w: before, edits: undo(edits)}
	hashes := newBeside(io.MultiWriter(now, back))
	_, err = io.CopyBuffer(hashes, r, make([]byte, pieceSize))
	hashes.wait()
	c.diffID, c.oldDiffID = sha256Of(now), sha256Of(before)
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	if back.differs {
		return fmt.Errorf("%w: what was put in is not there", errContent)
	}
	for diffID := range l.diffIDs {
		if diffID != c.oldDiffID {
			return fmt.Errorf("%w: before the change it has digest %s, and should have %s", errContent, c.oldDiffID, diffID)
		}
	}
	l.changed = c
	return nil
}

// check holds the old layer against the configuration.
func (l *layer) check() error {
	r, done, err := l.compression.decompress(l.blob, l.blob.Size())
	if err != nil {
		return err
	}
	defer done()
	h := sha256.New()
	_, err = io.Copy(h, r)
	got := sha256Of(h)
	if err == nil && !l.diffIDs[got] {
		err = fmt.Errorf("its archive has digest %s, and not that of the configuration", got)
	}
	return err
}

// recompress writes the layer with the edits made, compressed anew.
func (l *layer) recompress(file *os.File, edits []edit) (int64, error) {
	r, done, err := l.compression.decompress(l.blob, l.blob.Size())
	if err != nil {
		return 0, err
	}
	defer done()
	var w io.WriteCloser = gzip.NewWriter(file)
	if l.compression == zstded {
		// With one worker the same content gives the same bytes.
		if w, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1)); err != nil {
			return 0, err
		}
	}
	s := &substitute{w: w, edits: edits}
	if _, err := io.Copy(s, r); err != nil {
		return 0, err
	}
	if s.differs {
		return 0, errors.New("the layer is not what it was before")
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return file.Seek(0, io.SeekCurrent)
}

// undo returns the edits that lead back.
func undo(edits []edit) []edit {
	out := slices.Clone(edits)
	shift := int64(0)
	for i, e := range edits {
		out[i] = edit{e.offset + shift, e.new, e.old}
		shift += int64(len(e.new) - len(e.old))
	}
	return out
}

// substitute makes edits in what is written to it.
type substitute struct {
	w       io.Writer
	edits   []edit
	at      int64
	gone    []byte // of the old text, still to come
	differs bool   // the old text was another
}

// Write implements [io.Writer].
func (s *substitute) Write(p []byte) (int, error) {
	n := len(p)
	for {
		gone := min(len(s.gone), len(p))
		s.differs = s.differs || !bytes.Equal(s.gone[:gone], p[:gone])
		s.gone = s.gone[gone:]
		s.at += int64(gone)
		p = p[gone:]
		if len(s.gone) > 0 || len(s.edits) == 0 || s.edits[0].offset > s.at+int64(len(p)) {
			break
		}
		e := s.edits[0]
		s.edits = s.edits[1:]
		before := e.offset - s.at
		for _, b := range [][]byte{p[:before], e.new} {
			if _, err := s.w.Write(b); err != nil {
				return 0, err
			}
		}
		p = p[before:]
		s.at += before
		s.gone = e.old
	}
	s.at += int64(len(p))
	_, err := s.w.Write(p)
	return n, err
}

const pieceSize = 128 << 10

func digestOf(r io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	_, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(r, 0, size)}, make([]byte, pieceSize))
	return sha256Of(h), err
}

func sha256Of(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// beside writes in a goroutine of its own, beside whoever writes to it. What is
// behind it must not fail.
type beside struct {
	full, free chan []byte
	done       chan struct{}
}

// ahead is how many pieces the writer may be ahead, so that the two seldom wait
// for each other where they share a processor.
const ahead = 32

func newBeside(w io.Writer) *beside {
	b := &beside{make(chan []byte, ahead), make(chan []byte, ahead), make(chan struct{})}
	for range ahead {
		b.free <- make([]byte, 0, pieceSize)
	}
	go func() {
		defer close(b.done)
		for piece := range b.full {
			_, _ = w.Write(piece) // a hash, which takes everything
			b.free <- piece[:0]
		}
	}()
	return b
}

// Write implements [io.Writer].
func (b *beside) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		piece := min(len(p), pieceSize)
		b.full <- append(<-b.free, p[:piece]...)
		p = p[piece:]
	}
	return n, nil
}

// wait waits until everything is written.
func (b *beside) wait() {
	close(b.full)
	<-b.done
}
