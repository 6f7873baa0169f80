package fix

import (
	"path"
	"strings"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/store"
)

// rewriteDocker gives the names in manifest.json the new digests.
func (f *fixer) rewriteDocker() []rawjson.Edit {
	var edits []rawjson.Edit
	for _, holder := range f.catalog.DockerImages {
		img := holder.Image
		f.rewriteConfig(img)
		if c := img.Config; c.Changed() {
			edits = append(edits, setName(holder.Value.Get("Config"), [2]string{c.Digest, c.NowDigest})...)
		}
		for i, v := range holder.Value.Get("Layers").List() {
			if c := f.layers[img.Layers[i]].changed; c != nil {
				edits = append(edits, setName(v, [2]string{c.OldDigest, c.Digest}, [2]string{c.OldDiffID, c.DiffID})...)
			}
		}
		edits = append(edits, f.rewriteSources(holder.Value.Get("LayerSources"), img)...)
	}
	return edits
}

// rewriteSources changes the descriptors that newer versions of Docker list by
// the digests of layers' archives.
func (f *fixer) rewriteSources(sources *rawjson.Value, img *catalog.Image) []rawjson.Edit {
	if sources == nil {
		return nil
	}
	var edits []rawjson.Edit
	for _, m := range sources.Members {
		for _, b := range f.catalog.Layers(img) {
			if c := f.layers[b].changed; c != nil && c.OldDiffID == m.Key {
				edits = append(edits, sources.Rename(m, c.DiffID))
				if m.Value.Get("digest").Text() == c.OldDigest {
					edits = append(edits, f.setDescriptor(m.Value, c.Digest, c.Size)...)
				}
			}
		}
	}
	return edits
}

// setName changes the digest in a name, if it has one.
func setName(v *rawjson.Value, digests ...[2]string) []rawjson.Edit {
	c := store.Change{Old: path.Clean(v.Text())}.Renamed(digests...)
	if c.From == "" {
		return nil
	}
	return []rawjson.Edit{v.SetText(strings.ReplaceAll(v.Text(), c.From, c.To))}
}
