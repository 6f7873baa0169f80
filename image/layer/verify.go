package layer

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// verified calls read with a blob, and checks the digest of all of it.
func verified(blob io.Reader, size int64, digest string, read func(io.Reader) error) error {
	h := hashOf(digest)
	if h == nil {
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
		return errors.Join(err, mismatch(h, digest, err))
	}
	err := read(io.TeeReader(blob, h))
	if err == nil {
		_, err = io.CopyBuffer(h, struct{ io.Reader }{blob}, make([]byte, pieceSize))
	}
	return errors.Join(err, mismatch(h, digest, err))
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

// mismatch says that a digest is another, if there is no error yet.
func mismatch(h hash.Hash, digest string, err error) error {
	algorithm, want, _ := strings.Cut(digest, ":")
	if got := hex.EncodeToString(h.Sum(nil)); err == nil && got != want {
		return fmt.Errorf("want digest %s, got %s:%s", digest, algorithm, got)
	}
	return nil
}

func hashOf(digest string) hash.Hash {
	switch algorithm, _, _ := strings.Cut(digest, ":"); algorithm {
	case "sha256":
		return sha256.New()
	case "sha512":
		return sha512.New()
	default:
		return nil
	}
}
