// Package catalog lists the images of a store: all tags of a layout, all images of an
// archive, all platforms of an index, unless one is named. scan, explain and fix go by
// it, so that a reference means the same to all of them.
package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
)

// Catalog is the images of a store, and the documents that describe them.
type Catalog struct {
	Store store.Store
	// Images are those for Linux.
	Images []*Image
	// Index is index.json, and Docker manifest.json, if there are such.
	Index, Docker *Document
	// DockerImages are those of manifest.json, in its order.
	DockerImages []*Document
	// Skipped names images that have a layer of a type which capwise does not read, and
	// why: of those nothing is known.
	Skipped []string
	// Notes name documents that are not there.
	Notes []string

	kind    ref.Kind
	tag     string
	docs    map[string]*Document // by the name of their file
	blobs   map[string]*Blob     // of layers, by the name of their file
	reading store.Documents
}

// Image is one image for one platform.
type Image struct {
	// Names are the tags of a layout, and the names of an archive, that lead to it.
	Names []string
	// Platform is such as "linux/arm64" or "linux/arm/v7"; "" if nobody says it.
	Platform string
	// Digest is that of the manifest, or of the configuration if there is no manifest.
	Digest string
	// Config is the image's configuration; nil for the archive of a root file system.
	Config *Document
	Layers []*Blob
	docker bool // it is one of manifest.json
}

// Blob is a layer, which several images may have.
type Blob struct {
	store.Blob
	// DiffIDs are what configurations give as the digest of its archive. They are one,
	// if nothing is wrong.
	DiffIDs map[string]bool
}

// Key is the digest by which facts of the layer are kept: that of the blob, or where
// nobody says it, as in older archives, that of an uncompressed one by a configuration.
func (b *Blob) Key() string {
	if b.Digest != "" || len(b.DiffIDs) != 1 {
		return b.Digest
	}
	if f, err := b.Store.Open(b.Name, b.Size); err != nil || compressed(f) {
		return ""
	}
	return b.diffID()
}

func (b *Blob) diffID() string {
	if ids := slices.Sorted(maps.Keys(b.DiffIDs)); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// Known is the digest of the blob; where nobody says it, that of its archive.
func (b *Blob) Known() string {
	if b.Digest != "" {
		return b.Digest
	}
	return b.diffID()
}

// Open lists the images of what is in a store. The reference that led to it says which
// are meant. The error wraps [store.ErrNoTag] or [store.ErrNotImage] if there are none.
func Open(s store.Store, r ref.Ref) (*Catalog, error) {
	c := &Catalog{Store: s, kind: r.Kind, tag: r.Tag, docs: map[string]*Document{}, blobs: map[string]*Blob{}}
	if r.Kind == ref.RootFS {
		return c, c.rootFS(r.Path)
	}
	err := c.readDocker()
	if err == nil {
		err = c.readIndex()
	}
	if err != nil {
		return nil, err
	}
	if c.Index == nil && c.Docker == nil {
		if a, ok := s.(*store.Archive); ok {
			c.Store = a.AsRootFS()
			return c, c.rootFS(r.Path)
		}
	}
	if len(c.Images) == 0 && len(c.Skipped) == 0 {
		return nil, fmt.Errorf("%w: it has none for Linux", store.ErrNotImage)
	}
	return c, limit.Images.Check(int64(len(c.Images)))
}

// rootFS makes an image of the one layer that an archive is.
func (c *Catalog) rootFS(path string) error {
	b, err := c.blob(path, "", store.AnySize)
	if err != nil {
		return err
	}
	c.Images = []*Image{{Layers: []*Blob{b}}}
	return nil
}

// blob returns the layer in a file.
func (c *Catalog) blob(name, digest string, size int64) (*Blob, error) {
	key := name
	if _, remote := c.Store.(*store.Registry); !remote {
		file, err := c.Store.Open(name, size)
		if err != nil {
			return nil, err
		}
		key, size = file.Name, file.Size()
		if d, ok := c.Store.(*store.Dir); ok {
			d.Forget(key) // of thousands of files not all can be open
		}
	}
	b := c.blobs[key]
	if b == nil {
		b = &Blob{Blob: store.Blob{Store: c.Store, Name: key, Size: size}, DiffIDs: map[string]bool{}}
		c.blobs[key] = b
	}
	if b.Digest == "" {
		b.Digest = digest
	}
	return b, nil
}

// Layers returns the layers of images, each once, in an order in which each stands
// behind those below it where images agree about that; of all images if none is given.
func (c *Catalog) Layers(images ...*Image) []*Blob {
	if len(images) == 0 {
		images = c.Images
	}
	var out []*Blob
	seen := map[*Blob]bool{}
	for _, img := range images {
		for _, l := range img.Layers {
			if !seen[l] {
				seen[l] = true
				out = append(out, l)
			}
		}
	}
	return out
}

// add adds an image. One that is there already, as in archives that list their images
// in two ways, gets another name.
func (c *Catalog) add(doc *Document, img *Image) error {
	if n := len(img.DiffIDs()); n != len(img.Layers) {
		return fmt.Errorf("%d layers, and %d in the configuration %s", len(img.Layers), n, img.Config.Name)
	}
	if !img.forLinux() {
		return nil
	}
	doc.Image = img
	for _, other := range c.Images {
		// An archive of a newer Docker lists its images in two ways.
		if (img.docker || other.docker) && other.Config == img.Config && slices.Equal(other.Layers, img.Layers) {
			other.Names = append(other.Names, missing(img.Names, other.Names)...)
			if !img.docker {
				other.Digest = img.Digest
			}
			doc.Image = other
			return nil
		}
	}
	c.Images = append(c.Images, img)
	return limit.Images.Check(int64(len(c.Images)))
}

// missing returns those of names that are not among others.
func missing(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(others, n) })
}

// DiffIDs are the digests that the configuration gives for the layers' archives.
func (i *Image) DiffIDs() []*rawjson.Value {
	if i.Config == nil {
		return nil
	}
	return i.Config.Value.Get("rootfs").Get("diff_ids").List()
}

// Label names the image among those of its store: by a name, or else by its digest.
func (i *Image) Label() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	return i.Digest
}

// Arch is the architecture of its platform, "" if nobody says it.
func (i *Image) Arch() string {
	_, arch, _ := strings.Cut(i.Platform, "/")
	arch, _, _ = strings.Cut(arch, "/")
	return arch
}

// forLinux reports whether the image is for Linux, or nobody says for what.
func (i *Image) forLinux() bool {
	system, _, _ := strings.Cut(i.Platform, "/")
	return system == "" || system == "linux"
}

// platformOf is such as "linux/arm64" or "linux/arm/v7"; "" if a document says none.
func platformOf(v *rawjson.Value) string {
	system, arch := v.Get("os").Text(), v.Get("architecture").Text()
	if system == "" && arch == "" {
		return ""
	}
	text := system + "/" + arch
	if variant := v.Get("variant").Text(); variant != "" {
		text += "/" + variant
	}
	return text
}

// note says what was left out.
func (c *Catalog) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// Document reads a file as JSON. If the digest is not "", it must be its own, and so
// must the size that is not negative.
func (c *Catalog) Document(name, digest string, size int64) (*Document, error) {
	file, err := c.Store.Open(name, size)
	if err != nil {
		return nil, err
	}
	if d := c.docs[file.Name]; d != nil {
		return d, nil
	}
	raw, value, err := c.reading.Read(file, digest)
	if err != nil {
		return nil, err
	}
	d := &Document{Name: file.Name, Digest: digest, Raw: raw, Value: value}
	if digest == "" {
		d.Digest = store.Digest256(raw)
	}
	d.Now, d.NowDigest = raw, d.Digest
	c.docs[d.Name] = d
	layout, ok := c.Store.(*store.Dir)
	if r, remote := c.Store.(*store.Registry); remote {
		layout, ok = r.Dir, true
	}
	if ok {
		layout.Forget(file.Name) // of thousands of documents not all can be open
	}
	return d, nil
}

// Documents are all that were read, by the name of their file.
func (c *Catalog) Documents() map[string]*Document { return c.docs }

// notThere reports whether there is no file of this name.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
