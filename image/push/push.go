// Package push puts images into registries.
package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/wire"
	"github.com/capwise/capwise/image/store"
)

// pusher puts an image into a registry.
type pusher struct {
	catalog *catalog.Catalog
	repo    name.Repository
	remote  *remote.Pusher
	from    name.Reference // where the blobs are that were not changed, or nil
	changed map[string]*store.Change
	done    map[string]bool
}

// Image puts the one image or index of a catalog into a registry, with changes: blobs
// first, then manifests, and at last the tag. Who pulls the tag gets the old or the
// new. The error wraps [store.ErrChanged] if the image came from that tag, and the tag
// has moved.
func Image(c *catalog.Catalog, to string, changes []store.Change) error {
	tag, err := name.NewTag(to)
	if err != nil {
		return err
	}
	p := pusher{catalog: c, repo: tag.Context(), changed: map[string]*store.Change{}, done: map[string]bool{}}
	if p.remote, err = remote.NewPusher(wire.Options(tag.Context().Registry)...); err != nil {
		return err
	}
	for i := range changes {
		p.changed[changes[i].New] = &changes[i]
	}
	source, fetched := c.Store.(*store.Registry)
	if fetched {
		p.from = source.Source.Ref
	}
	top := c.Index.Children[0]
	if err := p.below(top.Doc.Now); err != nil {
		return err
	}
	if fetched && tag.Name() == source.Source.Ref.Name() {
		now, err := source.Source.Head(tag)
		if err != nil {
			return err
		}
		if now.Digest.String() != source.Top {
			return fmt.Errorf("the tag has moved from %s to %s meanwhile, and is left there: %w", source.Top, now.Digest, store.ErrChanged)
		}
	}
	return p.remote.Put(context.Background(), tag, manifest{top.Doc.Now, mediaType(top)})
}

// manifest is one as it is, byte for byte.
type manifest struct {
	raw       []byte
	mediaType string
}

// RawManifest implements [remote.Taggable].
func (m manifest) RawManifest() ([]byte, error) { return m.raw, nil }

// MediaType is looked for by package remote.
func (m manifest) MediaType() (types.MediaType, error) { return types.MediaType(m.mediaType), nil }

// mediaType returns what a descriptor, or the document itself, says.
func mediaType(d *catalog.Descriptor) string {
	if t := d.Doc.Value.Get("mediaType").Text(); t != "" {
		return t
	}
	return d.Value.Get("mediaType").Text()
}

// below puts what a manifest or index refers to.
func (p *pusher) below(raw []byte) error {
	v, err := rawjson.Parse(raw)
	if err != nil {
		return err
	}
	blobs := v.Get("layers").List()
	if c := v.Get("config"); c != nil {
		blobs = append([]*rawjson.Value{c}, blobs...)
	}
	for _, d := range blobs {
		if err := p.blob(d); err != nil {
			return fmt.Errorf("%s: %w", d.Get("digest").Text(), err)
		}
	}
	for _, d := range v.Get("manifests").List() {
		if err := p.manifest(d); err != nil {
			return fmt.Errorf("%s: %w", d.Get("digest").Text(), err)
		}
	}
	return nil
}

// manifest puts one that an index refers to, after what it refers to itself.
func (p *pusher) manifest(d *rawjson.Value) error {
	digest := d.Get("digest").Text()
	doc, err := p.document(digest, d.Get("size").Int())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a platform that was not there before
	}
	if err != nil || p.done[digest] {
		return err
	}
	p.done[digest] = true
	if err := p.below(doc.Now); err != nil {
		return err
	}
	return p.remote.Put(context.Background(), p.repo.Digest(digest), manifest{doc.Now, mediaType(&catalog.Descriptor{Value: d, Doc: doc})})
}

// document returns the document that now has the digest.
func (p *pusher) document(digest string, size int64) (*catalog.Document, error) {
	for _, doc := range p.catalog.Documents() {
		if doc.NowDigest == digest {
			return doc, nil
		}
	}
	name, err := store.BlobName(digest)
	if err != nil {
		return nil, err
	}
	return p.catalog.Document(name, digest, size)
}

// blob puts one if the registry does not have it, and can't take it from another
// repository of its own.
func (p *pusher) blob(d *rawjson.Value) error {
	digest, err := v1.NewHash(d.Get("digest").Text())
	if err != nil || p.done[digest.String()] {
		return err
	}
	p.done[digest.String()] = true
	b := blob{digest: digest, size: d.Get("size").Int(), mediaType: d.Get("mediaType").Text(), open: p.open}
	var layer v1.Layer = b
	if name, err := store.BlobName(digest.String()); err == nil && p.changed[name] == nil && p.from != nil {
		layer = &remote.MountableLayer{Layer: b, Reference: p.from}
	}
	return p.remote.Upload(context.Background(), p.repo, layer)
}

// open returns the content of a blob, new or old.
func (p *pusher) open(digest string, size int64) (io.Reader, error) {
	name, err := store.BlobName(digest)
	if err != nil {
		return nil, err
	}
	if c := p.changed[name]; c != nil {
		return io.NewSectionReader(c.Content, 0, c.Size), nil
	}
	f, err := p.catalog.Store.Open(name, size)
	if err != nil {
		return nil, err
	}
	return f.SectionReader, nil
}

// blob is a blob as package remote takes it. It is opened when it is sent.
type blob struct {
	digest    v1.Hash
	size      int64
	mediaType string
	open      func(digest string, size int64) (io.Reader, error)
}

var _ v1.Layer = blob{}

// Digest implements [v1.Layer], as the following do.
func (b blob) Digest() (v1.Hash, error) { return b.digest, nil }

// DiffID is not asked for.
func (b blob) DiffID() (v1.Hash, error) { return v1.Hash{}, errors.ErrUnsupported }

// Compressed returns the blob as it is.
func (b blob) Compressed() (io.ReadCloser, error) {
	r, err := b.open(b.digest.String(), b.size)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
}

// Uncompressed is not asked for.
func (b blob) Uncompressed() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

// Size is that of the blob.
func (b blob) Size() (int64, error) { return b.size, nil }

// MediaType is the descriptor's.
func (b blob) MediaType() (types.MediaType, error) { return types.MediaType(b.mediaType), nil }
