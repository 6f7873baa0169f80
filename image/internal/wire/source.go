package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/capwise/capwise/internal/limit"
)

// Source is a repository of a registry, to be read.
type Source struct {
	Ref    name.Reference
	puller *remote.Puller
	base   http.RoundTripper

	once      sync.Once // for http
	http      *http.Client
	clientErr error
}

// Open takes the name of an image.
func Open(text string) (*Source, error) {
	ref, err := name.ParseReference(text)
	if err != nil {
		return nil, err
	}
	return open(ref, stall)
}

func open(ref name.Reference, stall time.Duration) (*Source, error) {
	base := newTransport(ref.Context().Registry, stall)
	puller, err := remote.NewPuller(remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(base))
	return &Source{Ref: ref, puller: puller, base: base}, err
}

// Manifest is a manifest or an index as the registry has it.
type Manifest struct {
	Digest, MediaType string
	Raw               []byte
}

// Top fetches what the name leads to.
func (s *Source) Top() (*Manifest, error) { return s.manifest(s.Ref, limit.Document) }

// Manifest fetches one by its digest. It has size bytes, unless that is negative.
func (s *Source) Manifest(digest string, size int64) (*Manifest, error) {
	most := limit.Document
	if size >= 0 && size < most.Most {
		most = limit.Limit{Most: size, What: "bytes, which its descriptor says"}
	}
	m, err := s.manifest(s.Ref.Context().Digest(digest), most)
	if err == nil && size >= 0 && int64(len(m.Raw)) != size {
		err = sizeError(size)
	}
	return m, err
}

func (s *Source) manifest(ref name.Reference, most limit.Limit) (*Manifest, error) {
	d, err := s.puller.Get(context.WithValue(context.Background(), mostKey{}, most), ref)
	if err != nil {
		return nil, notThere(err)
	}
	return &Manifest{d.Digest.String(), string(d.MediaType), d.Manifest}, nil
}

// Head returns what the name leads to now.
func (s *Source) Head(ref name.Reference) (*v1.Descriptor, error) {
	d, err := s.puller.Head(context.Background(), ref)
	return d, notThere(err)
}

// Referrers lists what the registry has about a manifest.
func (s *Source) Referrers(digest string) ([]v1.Descriptor, error) {
	ctx := context.WithValue(context.Background(), mostKey{}, limit.Document)
	options := append(Options(s.Ref.Context().Registry), remote.WithContext(ctx))
	index, err := remote.Referrers(s.Ref.Context().Digest(digest), options...)
	if err != nil {
		return nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	return list.Manifests, nil
}

func sizeError(size int64) error {
	return fmt.Errorf("the registry sends more or fewer than the %d bytes that its descriptor says", size)
}

// mostKey is what a request's context knows the limit of its answer by.
type mostKey struct{}

// limited bounds the content of an answer, if the request has a limit.
func limited(ctx context.Context, content io.ReadCloser) io.ReadCloser {
	most, ok := ctx.Value(mostKey{}).(limit.Limit)
	if !ok {
		return content
	}
	return &atMost{content, most, most.Most}
}

type atMost struct {
	io.ReadCloser
	most limit.Limit
	left int64
}

// Read implements [io.Reader].
func (a *atMost) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p[:min(int64(len(p)), a.left+1)])
	if a.left -= int64(n); a.left < 0 {
		return n, &limit.Error{Limit: a.most}
	}
	return n, err
}

// notThere lets [errors.Is] know what a registry does not have.
func notThere(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}
