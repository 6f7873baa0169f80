package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/store"
)

const dockerFile = store.DockerFile

func (f *fixer) readDocker(from place) error {
	if from.kind == "oci" || from.kind == kindRegistry {
		return nil
	}
	doc, err := f.document(dockerFile, "", store.AnySize)
	if errors.Is(err, fs.ErrNotExist) && from.kind == "oci-archive" {
		return nil
	}
	if err != nil {
		return err
	}
	f.docker = doc
	for i, m := range doc.value.Elements {
		if err := f.readDockerImage(m); err != nil {
			return fmt.Errorf("%s: image %d: %w", dockerFile, i+1, err)
		}
	}
	return nil
}

func (f *fixer) readDockerImage(m *rawjson.Value) error {
	name := m.Get("Config").Text()
	if name == "" {
		return errors.New("no Config")
	}
	config, err := f.document(name, "", store.AnySize)
	if err != nil {
		return err
	}
	// The holder is no file: it makes the configuration one that is changed.
	holder := &document{value: m, digest: name, nowDigest: name}
	img := &image{config: config}
	for i, l := range m.Get("Layers").List() {
		if err := f.addLayer(img, l.Text(), "", store.AnySize, i); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	if err := f.addImage(holder, img); err != nil {
		return err
	}
	f.dockerImages = append(f.dockerImages, holder)
	return nil
}

// rewriteDocker gives the names in manifest.json the new digests.
func (f *fixer) rewriteDocker() []rawjson.Edit {
	var edits []rawjson.Edit
	for _, holder := range f.dockerImages {
		img := holder.image
		f.rewriteConfig(img)
		if c := img.config; c.changed() {
			edits = append(edits, setName(holder.value.Get("Config"), [2]string{c.digest, c.nowDigest})...)
		}
		for i, v := range holder.value.Get("Layers").List() {
			if c := img.layers[i].changed; c != nil {
				edits = append(edits, setName(v, [2]string{c.oldDigest, c.digest}, [2]string{c.oldDiffID, c.diffID})...)
			}
		}
		edits = append(edits, f.rewriteSources(holder.value.Get("LayerSources"), img)...)
	}
	return edits
}

// rewriteSources changes the descriptors that newer versions of Docker list by
// the digests of layers' archives.
func (f *fixer) rewriteSources(sources *rawjson.Value, img *image) []rawjson.Edit {
	if sources == nil {
		return nil
	}
	var edits []rawjson.Edit
	for _, m := range sources.Members {
		for _, l := range once(img) {
			if c := l.changed; c != nil && c.oldDiffID == m.Key {
				edits = append(edits, sources.Rename(m, c.diffID))
				if m.Value.Get("digest").Text() == c.oldDigest {
					edits = append(edits, f.setDescriptor(m.Value, c.digest, c.size)...)
				}
			}
		}
	}
	return edits
}

// setName changes the digest in a name, if it has one.
func setName(v *rawjson.Value, digests ...[2]string) []rawjson.Edit {
	c := change{old: path.Clean(v.Text())}.renamed(digests...)
	if c.from == "" {
		return nil
	}
	return []rawjson.Edit{v.SetText(strings.ReplaceAll(v.Text(), c.from, c.to))}
}
