package layer

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/image/internal/digest"
)

// verified calls read with a blob, and checks the digest of all of it.
func verified(blob io.Reader, size int64, want string, read func(io.Reader) error) error {
	h, err := digest.New(want)
	if want == "" || err != nil { // nobody says one, or an image names one that nobody can check
		err := read(blob)
		if _, at := blob.(io.ReaderAt); err == nil && !at { // what checks its digest does so at its end
			_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{blob}, make([]byte, pieceSize))
		}
		return err
	}
	if at, ok := blob.(io.ReaderAt); ok {
		var g errgroup.Group
		whole := &stoppable{Reader: io.NewSectionReader(at, 0, size)}
		g.Go(func() error {
			_, err := io.CopyBuffer(h, whole, make([]byte, pieceSize))
			return err
		})
		err := read(blob)
		whole.stop.Store(err != nil)
		if errHash := g.Wait(); err == nil {
			err = errHash
		}
		return errors.Join(err, mismatch(h, want, err))
	}
	err = read(io.TeeReader(blob, h))
	if err == nil {
		_, err = io.CopyBuffer(h, struct{ io.Reader }{blob}, make([]byte, pieceSize))
	}
	return errors.Join(err, mismatch(h, want, err))
}

// stoppable ends where nobody wants the rest.
type stoppable struct {
	io.Reader
	stop atomic.Bool
}

// Read implements [io.Reader].
func (s *stoppable) Read(p []byte) (int, error) {
	if s.stop.Load() {
		return 0, io.EOF
	}
	return s.Reader.Read(p)
}

// mismatch says that a digest differs, if there is no error yet.
func mismatch(h hash.Hash, want string, err error) error {
	if got := digest.Mismatch(want, h); err == nil && got != "" {
		return fmt.Errorf("want digest %s, got %s", want, got)
	}
	return nil
}
