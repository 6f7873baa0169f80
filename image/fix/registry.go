package fix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// kindRegistry is the kind of a target in a registry.
const kindRegistry = "registry"

// registry is an image in a registry. It is a layout in a folder for the time
// being, into which files come when they are opened.
type registry struct {
	*dir
	ref    name.Reference
	puller *remote.Puller
	// root is the digest that the name led to.
	root string
	// manifests are the files that a registry has as manifests, not as blobs.
	manifests map[string]bool
}

// tagOf returns the tag of a name; "" if it names a digest.
func tagOf(text string) (string, error) {
	ref, err := name.ParseReference(text)
	if tag, ok := ref.(name.Tag); ok {
		return tag.TagStr(), err
	}
	return "", err
}

// keychain is how the user is known: by the Docker configuration.
func keychain() remote.Option { return remote.WithAuthFromKeychain(authn.DefaultKeychain) }

// openRegistry fetches the manifest or index that the place names. In the layout it
// has the place's tag.
func openRegistry(p place) (_ *registry, err error) {
	r := &registry{manifests: map[string]bool{}}
	if r.ref, err = name.ParseReference(p.path); err != nil {
		return nil, err
	}
	if r.puller, err = remote.NewPuller(keychain()); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "capwise-registry-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	top, err := r.puller.Get(context.Background(), r.ref)
	if err != nil {
		return nil, err
	}
	r.root = top.Digest.String()
	descriptor := map[string]any{"mediaType": top.MediaType, "digest": r.root, "size": len(top.Manifest)}
	if p.tag != "" {
		descriptor["annotations"] = map[string]string{refName: p.tag}
	}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{descriptor},
	})
	if err != nil {
		return nil, err
	}
	if r.dir, err = openDir(folder); err != nil {
		return nil, err
	}
	return r, errors.Join(
		r.put("oci-layout", strings.NewReader(`{"imageLayoutVersion":"1.0.0"}`)),
		r.put(indexFile, strings.NewReader(string(index))), r.putManifest(r.root, top.Manifest))
}

// put writes a file of the layout.
func (r *registry) put(name string, content io.Reader) error {
	if err := r.dir.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := r.dir.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// putManifest writes a manifest, and notes those that it refers to.
func (r *registry) putManifest(digest string, raw []byte) error {
	var doc struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	for _, d := range doc.Manifests {
		if name, err := blobName(d.Digest); err == nil {
			r.manifests[name] = true
		}
	}
	name, err := blobName(digest)
	if err != nil {
		return err
	}
	return r.put(name, strings.NewReader(string(raw)))
}

// open implements [store]. It fetches what is not there yet.
func (r *registry) open(name string) (*file, error) {
	if _, err := r.dir.root.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if err := r.fetch(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, notThere(err))
		}
	}
	return r.dir.open(name)
}

// fetch fetches a file by its name in a layout, blobs/ALGORITHM/DIGITS.
func (r *registry) fetch(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return fs.ErrNotExist
	}
	digest := r.ref.Context().Digest(parts[1] + ":" + parts[2])
	if r.manifests[name] {
		d, err := r.puller.Get(context.Background(), digest)
		if err != nil {
			return err
		}
		return r.putManifest(d.Digest.String(), d.Manifest)
	}
	layer, err := r.puller.Layer(context.Background(), digest)
	if err != nil {
		return err
	}
	content, err := layer.Compressed() // holds it to its digest
	if err != nil {
		return err
	}
	return errors.Join(r.put(name, content), content.Close())
}

// notThere lets [errors.Is] know what a registry does not have.
func notThere(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// Close implements [io.Closer].
func (r *registry) Close() error { return errors.Join(r.dir.Close(), os.RemoveAll(r.path)) }

// about lists what the registry has about a manifest: cosign's tags, and referrers.
func (r *registry) about(digest string) ([]string, error) {
	var out []string
	prefix := strings.Replace(digest, ":", "-", 1)
	for _, end := range []string{".sig", ".att", ".sbom"} {
		_, err := r.puller.Head(context.Background(), r.ref.Context().Tag(prefix+end))
		if err = notThere(err); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, "tag "+prefix+end)
	}
	index, err := remote.Referrers(r.ref.Context().Digest(digest), keychain())
	if err != nil {
		return out, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return out, err
	}
	for _, d := range list.Manifests {
		out = append(out, fmt.Sprintf("referrer %s (%s)", d.Digest, d.ArtifactType))
	}
	return out, nil
}
