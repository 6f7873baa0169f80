package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
)

// readDocker reads manifest.json, as engines write it. An archive of an OCI layout may
// have one, too.
func (c *Catalog) readDocker() error {
	if c.kind == ref.Layout || c.kind == ref.Registry {
		return nil
	}
	doc, err := c.Document(store.DockerFile, "", store.AnySize)
	if notThere(err) && c.kind != ref.DockerArchive {
		return nil
	}
	if err != nil {
		return err
	}
	c.Docker = doc
	var seen []string
	for i, m := range doc.Value.Elements {
		names := textsOf(m.Get("RepoTags"))
		seen = append(seen, names...)
		if c.kind == ref.DockerArchive && c.tag != "" && !slices.ContainsFunc(names, c.named) {
			continue
		}
		if err := c.readDockerImage(m, names); err != nil {
			return fmt.Errorf("%s: image %d: %w", store.DockerFile, i+1, err)
		}
	}
	if c.kind == ref.DockerArchive && c.tag != "" && len(c.Images) == 0 {
		return fmt.Errorf("%w %q; there are %q", store.ErrNoTag, c.tag, seen)
	}
	return nil
}

// named reports whether a name of an archive is the one that is meant: with the tag
// that is wanted, or with the name alone.
func (c *Catalog) named(name string) bool {
	bare := name
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		bare = name[:i]
	}
	short := func(text string) string {
		return strings.TrimPrefix(strings.TrimPrefix(text, "docker.io/"), "library/")
	}
	return slices.Contains([]string{short(name), short(bare)}, short(c.tag))
}

func (c *Catalog) readDockerImage(m *rawjson.Value, names []string) error {
	name := m.Get("Config").Text()
	if name == "" {
		return errors.New("no Config")
	}
	config, err := c.Document(name, "", store.AnySize)
	if err != nil {
		return err
	}
	// The holder is no file: it makes the configuration one that is changed.
	holder := &Document{Value: m, Digest: name, NowDigest: name}
	img := &Image{Names: names, Platform: platformOf(config.Value), Digest: config.Digest, Config: config, docker: true}
	ids := img.DiffIDs()
	layers := m.Get("Layers").List()
	if err := limit.Layers.Check(int64(len(layers))); err != nil {
		return err
	}
	for i, l := range layers {
		b, err := c.blob(l.Text(), digestIn(l.Text()), store.AnySize)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		b.of(ids, i)
		img.Layers = append(img.Layers, b)
	}
	c.DockerImages = append(c.DockerImages, holder)
	return c.add(holder, img)
}

// digestIn is the digest in a name such as blobs/sha256/..., "" if it has none.
func digestIn(name string) string {
	parts := strings.Split(name, "/")
	if len(parts) != 3 || parts[0] != "blobs" {
		return ""
	}
	if at, err := store.BlobName(parts[1] + ":" + parts[2]); err != nil || at != name {
		return ""
	}
	return parts[1] + ":" + parts[2]
}

// of notes what the configuration of an image says of layer i.
func (b *Blob) of(ids []*rawjson.Value, i int) {
	if i < len(ids) {
		b.DiffIDs[ids[i].Text()] = true
	}
}

// readIndex reads the index of an OCI layout. An archive of a newer Docker has one,
// too.
func (c *Catalog) readIndex() error {
	index, err := c.Document(store.IndexFile, "", store.AnySize)
	if notThere(err) && (c.Docker != nil || c.kind != ref.Layout && c.kind != ref.LayoutArchive) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Index = index
	var seen []string
	for i, d := range index.Value.Get("manifests").List() {
		if !c.HasTag(d) {
			seen = append(seen, nameOf(d))
			continue
		}
		child, err := c.readDescriptor(d, nil, nil, 0)
		if err != nil {
			return fmt.Errorf("%s: manifest %d: %w", store.IndexFile, i+1, err)
		}
		index.Children = append(index.Children, child)
	}
	if c.tag != "" && len(index.Children) == 0 && c.kind != ref.DockerArchive {
		return fmt.Errorf("%w %q; there are %q", store.ErrNoTag, c.tag, seen)
	}
	return nil
}

// HasTag reports whether an entry of the index is one of those asked for.
func (c *Catalog) HasTag(d *rawjson.Value) bool {
	tag := nameOf(d)
	if c.kind == ref.DockerArchive && c.tag != "" {
		full := d.Get("annotations").Get("io.containerd.image.name").Text()
		return full != "" && c.named(full)
	}
	return c.tag == "" || tag == c.tag || strings.HasSuffix(tag, ":"+c.tag)
}

// nameOf is the tag of an entry of the index.
func nameOf(d *rawjson.Value) string { return d.Get("annotations").Get(store.RefName).Text() }

// readDescriptor reads what a descriptor leads to. names are those that led to it, and
// platform is what an index says of it.
func (c *Catalog) readDescriptor(d *rawjson.Value, names []string, platform *rawjson.Value, depth int) (*Descriptor, error) {
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
	doc, err := c.Document(name, digest, size)
	if notThere(err) && depth > 0 {
		// A layout may hold some platforms of an index only.
		c.note("%s: the manifest is not there; left as it is", digest)
		return &Descriptor{Value: d}, nil
	}
	if err != nil {
		return nil, err
	}
	if tag := nameOf(d); tag != "" {
		names = append(slices.Clone(names), tag)
	}
	if p := d.Get("platform"); p != nil {
		platform = p
	}
	out := &Descriptor{Value: d, Doc: doc}
	if img := doc.Image; img != nil {
		img.Names = append(img.Names, missing(names, img.Names)...)
		return out, nil
	}
	if doc.Children != nil {
		return out, nil
	}
	for _, inner := range doc.Value.Get("manifests").List() {
		child, err := c.readDescriptor(inner, names, platform, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		doc.Children = append(doc.Children, child)
	}
	if err := c.readManifest(doc, names, platform); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// readManifest reads the layers of an image's manifest.
func (c *Catalog) readManifest(doc *Document, names []string, platform *rawjson.Value) error {
	layers, about := doc.Value.Get("layers").List(), doc.Value.Get("config")
	if !isImage(doc.Value, platform) {
		return nil
	}
	name, err := store.BlobName(about.Get("digest").Text())
	if err != nil {
		return err
	}
	if err := limit.Layers.Check(int64(len(layers))); err != nil {
		return err
	}
	img := &Image{Names: names, Platform: platformOf(platform), Digest: doc.Digest}
	if img.Config, err = c.Document(name, about.Get("digest").Text(), about.Get("size").Int()); err != nil {
		return err
	}
	if img.Platform == "" {
		img.Platform = platformOf(img.Config.Value)
	}
	if !img.forLinux() { // its layers may be elsewhere
		return nil
	}
	ids := img.DiffIDs()
	for i, l := range layers {
		if kind := l.Get("mediaType").Text(); !store.IsLayer(kind) || strings.HasSuffix(kind, "+encrypted") {
			c.skip(img, fmt.Sprintf("layer %d of %d has media type %.100q", i+1, len(layers), kind))
			return nil
		}
		digest := l.Get("digest").Text()
		name, err := store.BlobName(digest)
		if err != nil {
			return err
		}
		b, err := c.blob(name, digest, l.Get("size").Int())
		if err != nil {
			b = &Blob{Blob: store.Blob{Store: c.Store, Name: name, Size: l.Get("size").Int(), Urls: len(l.Get("urls").List()) > 0}}
			_, err = b.File()
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		b.Urls = len(l.Get("urls").List()) > 0
		b.of(ids, i)
		img.Layers = append(img.Layers, b)
	}
	return c.add(doc, img)
}

// skip says why an image is not looked at.
func (c *Catalog) skip(img *Image, why string) {
	name := img.Digest
	if len(img.Names) > 0 {
		name = img.Names[0]
	}
	if img.Platform != "" {
		name += " " + img.Platform
	}
	c.Skipped = append(c.Skipped, fmt.Sprintf("%s: not looked at: %s, which capwise does not read", name, why))
}

// isImage tells an image's manifest from that of a signature, an attestation or
// another artifact, which have a configuration or layers of other types.
func isImage(v, platform *rawjson.Value) bool {
	layers, config := v.Get("layers").List(), v.Get("config")
	if config.Get("digest").Text() == "" || len(layers) == 0 || v.Get("artifactType").Text() != "" {
		return false
	}
	if platform.Get("os").Text() == "unknown" && platform.Get("architecture").Text() == "unknown" {
		return false
	}
	if slices.ContainsFunc(layers, func(l *rawjson.Value) bool { return store.IsLayer(l.Get("mediaType").Text()) }) {
		return true
	}
	kind := config.Get("mediaType").Text()
	return (kind == "application/vnd.oci.image.config.v1+json" || kind == "application/vnd.docker.container.image.v1+json") &&
		slices.ContainsFunc(layers, func(l *rawjson.Value) bool { return !isStatement(l.Get("mediaType").Text()) })
}

// isStatement reports whether a media type is that of something about an image, such as
// an attestation or a signature.
func isStatement(mediaType string) bool {
	return strings.HasSuffix(mediaType, "+json") || strings.HasPrefix(mediaType, "application/vnd.dev.cosign.")
}

// textsOf returns the texts in a list.
func textsOf(v *rawjson.Value) []string {
	var out []string
	for _, e := range v.List() {
		out = append(out, e.Text())
	}
	return out
}
