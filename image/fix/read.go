package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/internal/limit"
)

// read finds the images of the target.
func (f *fixer) read(from place) error {
	f.layers, f.docs = map[string]*layer{}, map[string]*document{}
	if err := f.readDocker(from); err != nil {
		return err
	}
	if err := f.readIndex(from); err != nil {
		return err
	}
	if len(f.images) == 0 {
		return fmt.Errorf("no image in it")
	}
	return nil
}

// readIndex reads the index of an OCI layout. An archive of a newer Docker has
// one, too.
func (f *fixer) readIndex(from place) error {
	index, err := f.document(indexFile, "", store.AnySize)
	if errors.Is(err, fs.ErrNotExist) && f.docker != nil {
		return nil
	}
	if err != nil {
		return err
	}
	f.index = index
	var seen []string
	for i, d := range index.value.Get("manifests").List() {
		if !f.hasTag(d) {
			seen = append(seen, d.Get("annotations").Get(refName).Text())
			continue
		}
		child, err := f.readDescriptor(d, 0)
		if err != nil {
			return fmt.Errorf("%s: manifest %d: %w", indexFile, i+1, err)
		}
		index.children = append(index.children, child)
	}
	if from.tag != "" && len(index.children) == 0 {
		return fmt.Errorf("no tag %q; there are %q", from.tag, seen)
	}
	return nil
}

// hasTag reports whether an entry of the index is one of those asked for.
func (f *fixer) hasTag(d *rawjson.Value) bool {
	tag := d.Get("annotations").Get(refName).Text()
	return f.tag == "" || tag == f.tag || strings.HasSuffix(tag, ":"+f.tag)
}

// refName is the annotation that holds the tag in an OCI layout.
const refName = store.RefName

func (f *fixer) readDescriptor(d *rawjson.Value, depth int) (*descriptor, error) {
	digest := d.Get("digest").Text()
	name, err := store.BlobName(digest)
	if err != nil {
		return nil, err
	}
	if err := limit.Nesting.Within(digest, int64(depth)); err != nil {
		return nil, err
	}
	size := d.Get("size").Int()
	if size < 0 {
		return nil, fmt.Errorf("%s: its descriptor says no size", digest)
	}
	doc, err := f.document(name, digest, size)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		// A layout may hold some platforms of an index only.
		f.warn("%s: the manifest is not there; left as it is", digest)
		return &descriptor{value: d}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &descriptor{value: d, doc: doc}
	if doc.children != nil || doc.image != nil {
		return out, nil
	}
	for _, c := range doc.value.Get("manifests").List() {
		child, err := f.readDescriptor(c, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		doc.children = append(doc.children, child)
	}
	if err := f.readManifest(doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// readManifest reads the layers of an image's manifest. What is no image, such as
// a signature or an attestation, has layers of other types.
func (f *fixer) readManifest(doc *document) error {
	layers := doc.value.Get("layers").List()
	for _, l := range layers {
		if !store.IsLayer(l.Get("mediaType").Text()) {
			return nil
		}
		if strings.HasSuffix(l.Get("mediaType").Text(), "+encrypted") {
			f.warn("%s: a layer is encrypted; the image is left as it is", doc.digest)
			return nil
		}
	}
	about := doc.value.Get("config")
	config := about.Get("digest").Text()
	if len(layers) == 0 || config == "" {
		return nil
	}
	name, err := store.BlobName(config)
	if err != nil {
		return err
	}
	img := &image{}
	if img.config, err = f.document(name, config, about.Get("size").Int()); err != nil {
		return err
	}
	for i, l := range layers {
		digest := l.Get("digest").Text()
		name, err := store.BlobName(digest)
		if err != nil {
			return err
		}
		if err := f.addLayer(img, name, digest, l.Get("size").Int(), i); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, store.Elsewhere(err, l))
		}
	}
	return f.addImage(doc, img)
}

func (f *fixer) addImage(doc *document, img *image) error {
	if n := len(img.diffIDs()); n != len(img.layers) {
		return fmt.Errorf("%d layers, and %d in the configuration %s", len(img.layers), n, img.config.name)
	}
	doc.image = img
	f.images = append(f.images, img)
	return limit.Images.Check(int64(len(f.images)))
}

// diffIDs are the digests that the configuration gives for the layers' archives.
func (i *image) diffIDs() []*rawjson.Value {
	return i.config.value.Get("rootfs").Get("diff_ids").List()
}

// addLayer adds layer i of an image.
func (f *fixer) addLayer(img *image, name, digest string, size int64, i int) error {
	if err := limit.Layers.Check(int64(i + 1)); err != nil {
		return err
	}
	file, err := f.store.open(name, size)
	if err != nil {
		return err
	}
	l := f.layers[file.name]
	if l == nil {
		l = &layer{blob: file, meter: f.meter, diffIDs: map[string]bool{}, scanned: make(chan struct{})}
		f.layers[file.name] = l
	}
	if strings.HasPrefix(digest, "sha256:") {
		l.digest = digest
	}
	if ids := img.diffIDs(); i < len(ids) {
		l.diffIDs[ids[i].Text()] = true
	}
	img.layers = append(img.layers, l)
	return nil
}
