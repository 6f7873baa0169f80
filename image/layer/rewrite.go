package layer

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

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/internal/splice"
)

// Changed is what a layer becomes.
type Changed struct {
	Content io.ReaderAt
	Size    int64
	// Digest is that of the blob, DiffID that of its archive.
	Digest, OldDigest string
	DiffID, OldDiffID string
	// How it came about: edited (uncompressed), patched or recompressed.
	How string
	// Encoded is how many bytes of its content a patch encoded again.
	Encoded int64
	// Warning says why it was compressed anew.
	Warning string
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

// Rewrite makes the edits, which are in order. Whichever of diffIDs there are, the
// layer's archive must have had that digest. Recompressing, it writes to the file that
// scratch gives.
func (l *Editable) Rewrite(edits []Edit, diffIDs map[string]bool, scratch func() (*os.File, error)) (*Changed, error) {
	c, err := l.apply(edits)
	if err == nil {
		err = l.verify(c, edits, diffIDs)
	}
	if l.compression == compression.None || err == nil || !errors.Is(err, gzpatch.ErrPatch) && !errors.Is(err, errContent) {
		return c, err
	}
	if errors.Is(err, errContent) {
		// Whose fault is it? That of the patch only if the old layer is right.
		if right := l.check(diffIDs); right != nil {
			return nil, right
		}
	}
	c = &Changed{How: recompressed}
	if l.compression == compression.Gzip {
		c.Warning = fmt.Sprintf("%v; the layer is compressed anew", err)
	}
	file, err := scratch()
	if err != nil {
		return nil, err
	}
	if c.Size, err = l.recompress(file, edits); err != nil {
		return nil, err
	}
	c.Content = file
	return c, l.verify(c, edits, diffIDs)
}

// apply makes the edits without compressing the layer anew, or says that it
// can't.
func (l *Editable) apply(edits []Edit) (*Changed, error) {
	switch l.compression {
	case compression.Gzip:
		list := make([]gzpatch.Edit, len(edits))
		for i, e := range edits {
			list[i] = gzpatch.Edit{Offset: e.Offset, Length: int64(len(e.Old)), New: e.New}
		}
		out, err := gzpatch.Patch(l.blob, l.size, l.index, list)
		if err != nil {
			return nil, err
		}
		return &Changed{Content: out, Size: out.Size(), How: patched, Encoded: out.Encoded}, nil
	case compression.Zstd:
		return nil, fmt.Errorf("%w: it is zstd", gzpatch.ErrPatch)
	}
	out, at := &splice.File{}, int64(0)
	for _, e := range edits {
		out.Add(l.blob, at, e.Offset-at)
		out.AddBytes(e.New)
		at = e.Offset + int64(len(e.Old))
	}
	out.Add(l.blob, at, l.size-at)
	return &Changed{Content: out, Size: out.Size(), How: edited}, nil
}

// verify decompresses the changed layer, all of it. With the edits undone it must
// be the old layer, as the configuration gives its digest: then it is the old
// archive with the edits, and with nothing else. On the way it computes digests.
// That of the old blob, where a descriptor gives it, need not be: the content is
// what counts, and is right.
func (l *Editable) verify(c *Changed, edits []Edit, diffIDs map[string]bool) error {
	r, done, err := l.compression.Open(c.Content, c.Size)
	if err != nil {
		return err
	}
	defer done()
	var g errgroup.Group
	g.Go(func() (err error) { c.Digest, err = digestOf(c.Content, c.Size); return err })
	if c.OldDigest = l.digest; c.OldDigest == "" {
		g.Go(func() (err error) { c.OldDigest, err = digestOf(l.blob, l.size); return err })
	}
	now, before := sha256.New(), sha256.New()
	back := &substitute{w: before, edits: undo(edits)}
	hashes := newBeside(io.MultiWriter(now, back))
	_, err = io.CopyBuffer(hashes, r, make([]byte, pieceSize))
	hashes.wait()
	c.DiffID, c.OldDiffID = sha256Of(now), sha256Of(before)
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	if back.differs {
		return fmt.Errorf("%w: what was put in is not there", errContent)
	}
	for diffID := range diffIDs {
		if diffID != c.OldDiffID {
			return fmt.Errorf("%w: before the change it has digest %s, and should have %s", errContent, c.OldDiffID, diffID)
		}
	}
	return nil
}

// check compares the old layer with the configuration.
func (l *Editable) check(diffIDs map[string]bool) error {
	r, done, err := l.compression.Open(l.blob, l.size)
	if err != nil {
		return err
	}
	defer done()
	h := sha256.New()
	_, err = io.Copy(h, r)
	got := sha256Of(h)
	if err == nil && !diffIDs[got] {
		err = fmt.Errorf("its archive has digest %s, and not that of the configuration", got)
	}
	return err
}

// recompress writes the layer with the edits made, compressed anew.
func (l *Editable) recompress(file *os.File, edits []Edit) (int64, error) {
	r, done, err := l.compression.Open(l.blob, l.size)
	if err != nil {
		return 0, err
	}
	defer done()
	w, err := l.compression.Writer(file)
	if err != nil {
		return 0, err
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
func undo(edits []Edit) []Edit {
	out := slices.Clone(edits)
	shift := int64(0)
	for i, e := range edits {
		out[i] = Edit{e.Offset + shift, e.New, e.Old}
		shift += int64(len(e.New) - len(e.Old))
	}
	return out
}

// substitute makes edits in what is written to it.
type substitute struct {
	w       io.Writer
	edits   []Edit
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
		if len(s.gone) > 0 || len(s.edits) == 0 || s.edits[0].Offset > s.at+int64(len(p)) {
			break
		}
		e := s.edits[0]
		s.edits = s.edits[1:]
		before := e.Offset - s.at
		for _, b := range [][]byte{p[:before], e.New} {
			if _, err := s.w.Write(b); err != nil {
				return 0, err
			}
		}
		p = p[before:]
		s.at += before
		s.gone = e.Old
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
