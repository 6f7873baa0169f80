package catalog_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
)

// Media types.
const (
	ociLayer   = "application/vnd.oci.image.layer.v1.tar"
	ociConfig  = "application/vnd.oci.image.config.v1+json"
	ociIndex   = "application/vnd.oci.image.index.v1+json"
	ociImage   = "application/vnd.oci.image.manifest.v1+json"
	foreign    = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	refName    = "org.opencontainers.image.ref.name"
	dockerName = "io.containerd.image.name"
)

// object is one of JSON.
type object = map[string]any

// files are those of a layout or an archive, by name.
type files map[string][]byte

// blob adds a blob, and returns what a descriptor says of it.
func (f files) blob(t *testing.T, mediaType string, content any) object {
	t.Helper()
	raw, ok := content.([]byte)
	if !ok {
		raw = marshal(t, content)
	}
	digest := store.Digest256(raw)
	name, err := store.BlobName(digest)
	if err != nil {
		t.Fatal(err)
	}
	f[name] = raw
	return object{"mediaType": mediaType, "digest": digest, "size": len(raw)}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// image adds an image of one layer for a platform, and returns its descriptor and what
// its manifest says.
func (f files) image(t *testing.T, platform, layerType string) (descriptor, manifest object) {
	t.Helper()
	system, arch, _ := strings.Cut(platform, "/")
	layer := f.blob(t, layerType, archiveOf(t, files{"bin/of-" + arch: []byte(platform)}))
	config := f.blob(t, ociConfig, object{"os": system, "architecture": arch, "rootfs": object{"type": "layers", "diff_ids": []any{layer["digest"]}}})
	manifest = object{"schemaVersion": 2, "mediaType": ociImage, "config": config, "layers": []any{layer}}
	descriptor = f.blob(t, ociImage, manifest)
	descriptor["platform"] = object{"os": system, "architecture": arch}
	return descriptor, manifest
}

// index makes the index that a layout begins with.
func (f files) index(t *testing.T, manifests ...any) {
	t.Helper()
	f["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	f[store.IndexFile] = marshal(t, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": manifests})
}

// tagged is a descriptor with annotations, given as pairs.
func tagged(descriptor object, pairs ...string) object {
	out, annotations := maps.Clone(descriptor), object{}
	for i := 0; i < len(pairs); i += 2 {
		annotations[pairs[i]] = pairs[i+1]
	}
	out["annotations"] = annotations
	return out
}

// archiveOf returns a tar archive of files.
func archiveOf(t *testing.T, f files) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(f[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// write puts the files in an archive, or in a folder, and returns a reference to it.
func (f files) write(t *testing.T, kind ref.Kind) string {
	t.Helper()
	dir := t.TempDir()
	if kind != ref.Layout {
		path := filepath.Join(dir, "a.tar")
		if err := os.WriteFile(path, archiveOf(t, f), 0o600); err != nil {
			t.Fatal(err)
		}
		return string(kind) + ":" + path
	}
	for name, content := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(kind) + ":" + dir
}

// open lists the images of a reference.
func open(t *testing.T, reference string) (*catalog.Catalog, error) {
	t.Helper()
	r, err := ref.Parse(reference)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(r, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return catalog.Open(s, r)
}

// listed writes an image as "PLATFORM NAME,NAME".
func listed(c *catalog.Catalog) []string {
	var out []string
	for _, img := range c.Images {
		out = append(out, img.Platform+" "+strings.Join(img.Names, ","))
	}
	return out
}
