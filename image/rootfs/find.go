package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
)

// finder finds the images of a store, by the documents that package fix reads,
// and in the same way.
type finder struct {
	store   store.Store
	tag     string
	docker  bool // manifest.json, and not index.json, says what is in it
	reading store.Documents
	list    []candidate
}

func (f *finder) find() ([]candidate, error) {
	in := f.inLayout
	if f.docker {
		in = f.inDocker
	}
	err := in()
	return f.list, err
}

// document reads one.
func (f *finder) document(name, digest string, size int64) (*rawjson.Value, error) {
	file, err := f.store.Open(name, size)
	if err != nil {
		return nil, err
	}
	_, v, err := f.reading.Read(file, digest)
	if d, ok := f.store.(*store.Dir); ok {
		d.Forget(file.Name)
	}
	return v, err
}

// inDocker lists the image of an archive that an engine has saved.
func (f *finder) inDocker() error {
	doc, err := f.document(store.DockerFile, "", store.AnySize)
	if err != nil {
		return err
	}
	if n := len(doc.List()); n != 1 {
		return fmt.Errorf("%s: %d images, and not one; save one of them by itself", store.DockerFile, n)
	}
	m := doc.Elements[0]
	c := candidate{config: f.configOf(m.Get("Config").Text(), "", store.AnySize)}
	for i, l := range m.Get("Layers").List() {
		file, err := f.store.Open(l.Text(), store.AnySize)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		c.layers = append(c.layers, fileLayer{file})
	}
	f.list = append(f.list, c)
	return nil
}

func (f *finder) inLayout() error {
	index, err := f.document(store.IndexFile, "", store.AnySize)
	if err != nil {
		return err
	}
	var seen []string
	for i, d := range index.Get("manifests").List() {
		name := d.Get("annotations").Get(store.RefName).Text()
		if f.tag == "" || name == f.tag || strings.HasSuffix(name, ":"+f.tag) {
			if err := f.inDescriptor(d, 0); err != nil {
				return fmt.Errorf("%s: manifest %d: %w", store.IndexFile, i+1, err)
			}
			return nil
		}
		seen = append(seen, name)
	}
	return fmt.Errorf("no image with tag %q; there are %q", f.tag, seen)
}

// inDescriptor adds the image that an entry of an index stands for, or those of
// the index that it stands for. What is not for Linux, and what is no image, such
// as an attestation, is passed over.
func (f *finder) inDescriptor(d *rawjson.Value, depth int) error {
	digest, platform := d.Get("digest").Text(), d.Get("platform")
	if os := platform.Get("os").Text(); os != "" && os != "linux" {
		return nil
	}
	if err := limit.Nesting.Within(digest, int64(depth)); err != nil {
		return err
	}
	name, err := store.BlobName(digest)
	if err != nil {
		return err
	}
	doc, err := f.document(name, digest, d.Get("size").Int())
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil // a layout may hold some platforms of an index only
	}
	if err != nil {
		return err
	}
	for _, inner := range doc.Get("manifests").List() {
		if err := f.inDescriptor(inner, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return f.inManifest(doc, platform)
}

func (f *finder) inManifest(doc, platform *rawjson.Value) error {
	about := doc.Get("config")
	name, err := store.BlobName(about.Get("digest").Text())
	if err != nil || len(doc.Get("layers").List()) == 0 {
		return nil //nolint:nilerr // without a configuration it is no image
	}
	c := candidate{
		platform: platformText(platform), arch: platform.Get("architecture").Text(),
		config: f.configOf(name, about.Get("digest").Text(), about.Get("size").Int()),
	}
	for _, l := range doc.Get("layers").List() {
		if !store.IsLayer(l.Get("mediaType").Text()) {
			return nil
		}
		blob, err := store.BlobName(l.Get("digest").Text())
		if err != nil {
			return err
		}
		c.layers = append(c.layers, blobLayer{f.store, blob, l.Get("size").Int(), l})
	}
	f.list = append(f.list, c)
	return limit.Images.Check(int64(len(f.list)))
}

// platformText is such as "linux/arm64" or "linux/arm/v7".
func platformText(p *rawjson.Value) string {
	if p == nil {
		return ""
	}
	text := p.Get("os").Text() + "/" + p.Get("architecture").Text()
	if v := p.Get("variant").Text(); v != "" {
		text += "/" + v
	}
	return text
}

// configOf reads an image's configuration when it is wanted.
func (f *finder) configOf(name, digest string, size int64) func() (scenario.ImageConfig, error) {
	return func() (scenario.ImageConfig, error) {
		doc, err := f.document(name, digest, size)
		if err != nil {
			return scenario.ImageConfig{}, err
		}
		return programOf(doc.Get("config")), nil
	}
}

// fileLayer is a layer that is open.
type fileLayer struct{ file *store.File }

func (l fileLayer) open() (io.ReadCloser, int64, error) {
	return section{l.file.SectionReader}, l.file.Size(), nil
}

// section is a part of a file, which stays open.
type section struct{ *io.SectionReader }

// Close implements [io.Closer].
func (section) Close() error { return nil }

// blobLayer is a layer by its digest. From a registry it is read as it comes.
type blobLayer struct {
	store store.Store
	name  string
	size  int64
	about *rawjson.Value
}

func (l blobLayer) open() (io.ReadCloser, int64, error) {
	if r, ok := l.store.(*store.Registry); ok {
		blob, err := r.Stream(l.name, l.size)
		return blob, max(l.size, 0), store.Elsewhere(err, l.about)
	}
	file, err := l.store.Open(l.name, l.size)
	if err != nil {
		return nil, 0, store.Elsewhere(err, l.about)
	}
	return section{file.SectionReader}, file.Size(), nil
}
