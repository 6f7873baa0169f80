package wire

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/capwise/capwise/image/internal/digest"
	"github.com/capwise/capwise/internal/limit"
)

// mostCuts is how often in a row a blob's connection may be cut without a byte coming.
const mostCuts = 5

// firstPause is how long it waits after the first of them, and four times as long after
// each other. Tests shorten it.
var firstPause = 50 * time.Millisecond

// Blob fetches a blob, which has size bytes, unless that is negative, and the digest.
// Both are checked at its end. Where the connection is cut, it goes on from there.
func (s *Source) Blob(want string, size int64) (io.ReadCloser, error) {
	h, err := digest.New(want)
	if err != nil {
		return nil, err
	}
	b := &blob{source: s, digest: want, size: size, hash: h}
	if err := b.open(); err != nil {
		return nil, notThere(err)
	}
	return b, nil
}

// blob is a blob on its way.
type blob struct {
	source *Source
	digest string
	size   int64
	at     int64 // bytes that have come
	cuts   int   // since the last of them
	body   io.ReadCloser
	hash   hash.Hash
	err    error
}

// ChecksDigest says that nobody else need check the digest.
func (*blob) ChecksDigest() {}

// open asks for what has not come yet.
func (b *blob) open() error {
	client, err := b.source.client()
	if err != nil {
		return err
	}
	repo := b.source.Ref.Context()
	url := fmt.Sprintf("%s://%s/v2/%s/blobs/%s", repo.Scheme(), repo.RegistryStr(), repo.RepositoryStr(), b.digest)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	if b.at > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.at))
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	if err := transport.CheckError(answer, http.StatusOK, http.StatusPartialContent); err != nil {
		return errors.Join(err, answer.Body.Close())
	}
	b.body = answer.Body
	if b.at > 0 && answer.StatusCode == http.StatusOK { // it sends all of it again
		if _, err := io.CopyN(io.Discard, b.body, b.at); err != nil {
			return errors.Join(err, b.body.Close())
		}
	}
	return nil
}

// Read implements [io.Reader].
func (b *blob) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.read(p)
		if n > 0 || err != nil || len(p) == 0 {
			b.err = err
			return n, err
		}
	}
	return 0, b.err
}

// read reads from the connection, or opens another if that was cut: then there is
// neither a byte nor an error.
func (b *blob) read(p []byte) (int, error) {
	if b.size >= 0 { // one byte more than there may be
		p = p[:min(int64(len(p)), b.size-b.at+1)]
	}
	n, err := b.body.Read(p)
	b.at += int64(n)
	_, _ = b.hash.Write(p[:n]) // never fails
	if n > 0 {
		b.cuts = 0
	}
	switch {
	case b.size >= 0 && (b.at > b.size || b.at < b.size && errors.Is(err, io.EOF)):
		return n, sizeError(b.size)
	case errors.Is(err, io.EOF):
		return n, b.mismatch()
	case err == nil || n > 0: // an error comes again
		return n, nil
	}
	return 0, b.again(err)
}

// mismatch is the end of a blob, or says that its digest is another.
func (b *blob) mismatch() error {
	if got := digest.Mismatch(b.digest, b.hash); got != "" {
		return fmt.Errorf("want a blob with digest %s, got %s", b.digest, got)
	}
	return io.EOF
}

// again goes on after a cut. One that does not come out of a broken connection stays.
func (b *blob) again(why error) error {
	_ = b.body.Close() // broken
	var stalled *stalledError
	var above *limit.Error
	for ; ; b.cuts++ {
		if errors.As(why, &stalled) || errors.As(why, &above) || b.cuts >= mostCuts {
			b.body = http.NoBody
			return why
		}
		time.Sleep(firstPause << (2 * b.cuts))
		err := b.open()
		if err == nil {
			b.cuts++
			return nil
		}
		why = err
	}
}

// Close implements [io.Closer].
func (b *blob) Close() error { return b.body.Close() }

// client is what blobs are asked for with, as the user that the Docker configuration
// names.
func (s *Source) client() (*http.Client, error) {
	s.once.Do(func() {
		registry := s.Ref.Context().Registry
		auth, err := authn.DefaultKeychain.Resolve(registry)
		if err != nil {
			s.clientErr = err
			return
		}
		t, err := transport.NewWithContext(context.Background(), registry, auth, s.base, []string{s.Ref.Scope(transport.PullScope)})
		if err != nil {
			s.clientErr = err
			return
		}
		s.http = &http.Client{Transport: t}
	})
	return s.http, s.clientErr
}
