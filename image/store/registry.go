package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/wire"
	"github.com/capwise/capwise/internal/scratch"
)

// Registry is an image in a registry. It is a layout in a folder for the time
// being, into which files come when they are opened.
type Registry struct {
	*Dir
	Source *wire.Source
	// Top is the digest that the name led to.
	Top string

	folder *scratch.Named
	// manifests are the files that a registry has as manifests, not as blobs.
	manifests map[string]bool
}

var _ Store = (*Registry)(nil)

// OpenRegistry fetches the manifest or index that the name leads to. In the
// layout it has the tag.
func OpenRegistry(name, tag string) (_ *Registry, err error) {
	r := &Registry{manifests: map[string]bool{}}
	if r.Source, err = wire.Open(name); err != nil {
		return nil, err
	}
	top, err := r.Source.Top()
	if err != nil {
		return nil, err
	}
	if r.folder, err = scratch.Folder("registry"); err != nil {
		return nil, err
	}
	if r.Dir, err = OpenDir(r.folder.Name()); err != nil {
		return nil, errors.Join(err, r.folder.Remove())
	}
	if err := r.begin(top, tag); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// begin writes what makes the folder a layout.
func (r *Registry) begin(top *wire.Manifest, tag string) error {
	r.Top = top.Digest
	descriptor := map[string]any{"mediaType": top.MediaType, "digest": top.Digest, "size": len(top.Raw)}
	if tag != "" {
		descriptor["annotations"] = map[string]string{RefName: tag}
	}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{descriptor},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		r.put("oci-layout", strings.NewReader(`{"imageLayoutVersion":"1.0.0"}`)),
		r.put(IndexFile, strings.NewReader(string(index))), r.putManifest(top))
}

// put writes a file of the layout. One that does not come whole is none.
func (r *Registry) put(name string, content io.Reader) error {
	if err := r.Root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := r.Root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, r.Root.Remove(name))
	}
	return nil
}

// putManifest writes a manifest, and notes those that it refers to.
func (r *Registry) putManifest(m *wire.Manifest) error {
	doc, err := rawjson.Parse(m.Raw)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Digest, err)
	}
	for _, d := range doc.Get("manifests").List() {
		if name, err := BlobName(d.Get("digest").Text()); err == nil {
			r.manifests[name] = true
		}
	}
	name, err := BlobName(m.Digest)
	if err != nil {
		return err
	}
	return r.put(name, strings.NewReader(string(m.Raw)))
}

// Open implements [Store]. It fetches what is not there yet.
func (r *Registry) Open(name string, size int64) (*File, error) {
	if _, err := r.Root.Stat(name); errors.Is(err, fs.ErrNotExist) {
		if err := r.fetch(name, size); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r.Dir.Open(name, size)
}

// fetch fetches a file by its name in a layout, blobs/ALGORITHM/DIGITS.
func (r *Registry) fetch(name string, size int64) error {
	digest, err := digestOf(name)
	if err != nil {
		return err
	}
	if r.manifests[name] {
		m, err := r.Source.Manifest(digest, size)
		if err != nil {
			return err
		}
		return r.putManifest(m)
	}
	content, err := r.Source.Blob(digest, size)
	if err != nil {
		return err
	}
	return errors.Join(r.put(name, content), content.Close())
}

// stream returns the content of a blob that is read once, and not kept.
func (r *Registry) stream(name string, size int64) (io.ReadCloser, error) {
	digest, err := digestOf(name)
	if err != nil {
		return nil, err
	}
	return r.Source.Blob(digest, size)
}

// digestOf is the digest of a blob by its name in a layout.
func digestOf(name string) (string, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return "", &fs.PathError{Op: "fetch", Path: name, Err: fs.ErrNotExist}
	}
	return parts[1] + ":" + parts[2], nil
}

// Close implements [io.Closer].
func (r *Registry) Close() error { return errors.Join(r.Dir.Close(), r.folder.Remove()) }
