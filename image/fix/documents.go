package fix

import (
	"bytes"
	"strings"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/store"
)

// documents gives all documents that follow from changed layers their new
// content, and returns all changes.
func (f *fixer) documents() []store.Change {
	var out []store.Change
	for _, b := range f.catalog.Layers() {
		l := f.layers[b]
		if c := l.changed; c != nil {
			out = append(out, store.Change{Old: l.blob.Name, Content: c.Content, Size: c.Size}.Renamed(
				[2]string{c.OldDigest, c.Digest}, [2]string{c.OldDiffID, c.DiffID}))
		}
	}
	for _, doc := range []*catalog.Document{f.catalog.Docker, f.catalog.Index} {
		if doc == nil {
			continue
		}
		f.rewrite(doc)
		out = append(out, f.changesBelow(doc)...)
	}
	f.keepReachable(out)
	if f.catalog.Index != nil {
		f.findStale()
	}
	return unique(out)
}

// unique leaves out changes of files that are there already.
func unique(changes []store.Change) []store.Change {
	var out []store.Change
	seen := map[string]bool{}
	for _, c := range changes {
		if !seen[c.Old] {
			seen[c.Old] = true
			out = append(out, c)
		}
	}
	return out
}

// rewrite gives a document its new content, after those that it refers to.
func (f *fixer) rewrite(doc *catalog.Document) {
	if doc.Done {
		return
	}
	doc.Done = true
	var edits []rawjson.Edit
	for _, c := range doc.Children {
		if c.Doc == nil {
			continue
		}
		f.rewrite(c.Doc)
		if c.Doc.Changed() {
			edits = append(edits, f.setDescriptor(c.Value, c.Doc.NowDigest, int64(len(c.Doc.Now)))...)
		}
	}
	if doc.Image != nil {
		edits = append(edits, f.rewriteManifest(doc)...)
	}
	if doc == f.catalog.Docker {
		edits = append(edits, f.rewriteDocker()...)
	}
	doc.Set(rawjson.Apply(doc.Raw, edits))
}

// setDescriptor changes what a descriptor says, and drops what it can't say any
// more: content that it holds itself, and places to load the old from.
func (f *fixer) setDescriptor(d *rawjson.Value, digest string, size int64) []rawjson.Edit {
	edits := []rawjson.Edit{d.Get("digest").SetText(digest)}
	if s := d.Get("size"); s != nil {
		edits = append(edits, s.SetInt(size))
	}
	return append(edits, d.Remove(func(key string) bool {
		stale := key == "data" || key == "urls"
		if stale {
			f.warn("%s: the descriptor's %s is about the old content, and is dropped", d.Get("digest").Text(), key)
		}
		return stale
	})...)
}

func (f *fixer) rewriteManifest(doc *catalog.Document) []rawjson.Edit {
	var edits []rawjson.Edit
	f.rewriteConfig(doc.Image)
	if c := doc.Image.Config; c.Changed() {
		edits = append(edits, f.setDescriptor(doc.Value.Get("config"), c.NowDigest, int64(len(c.Now)))...)
	}
	for i, d := range doc.Value.Get("layers").List() {
		l := f.layers[doc.Image.Layers[i]]
		if l.changed == nil {
			continue
		}
		edits = append(edits, f.setDescriptor(d, l.changed.Digest, l.changed.Size)...)
		edits = append(edits, d.Get("annotations").Remove(func(key string) bool {
			stale := isTableOfContents(key)
			if stale {
				f.warn("%s: annotation %s is about the old layer, and is dropped: the new one is not pulled lazily", l.changed.OldDigest, key)
			}
			return stale
		})...)
	}
	return edits
}

// isTableOfContents reports whether an annotation of a layer describes the inside
// of its blob: of eStargz, zstd:chunked, or SOCI and Nydus.
func isTableOfContents(key string) bool {
	for _, prefix := range []string{
		"containerd.io/snapshot/stargz/", "io.containers.estargz.",
		"io.github.containers.zstd-chunked.", "containerd.io/snapshot/nydus-", "com.amazon.soci.",
	} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func (f *fixer) rewriteConfig(img *catalog.Image) {
	c := img.Config
	if c.Done {
		return
	}
	c.Done = true
	var edits []rawjson.Edit
	for i, id := range img.DiffIDs() {
		if l := f.layers[img.Layers[i]]; l.changed != nil {
			edits = append(edits, id.SetText(l.changed.DiffID))
		}
	}
	c.Set(rawjson.Apply(c.Raw, edits))
}

// changesBelow returns the changes of a document and those that it refers to,
// which come first.
func (f *fixer) changesBelow(doc *catalog.Document) []store.Change {
	var out []store.Change
	for _, c := range doc.Children {
		if c.Doc != nil && !f.listed[c.Doc] {
			out = append(out, f.changesBelow(c.Doc)...)
		}
	}
	if doc == f.catalog.Docker {
		for _, holder := range f.catalog.DockerImages {
			out = append(out, f.changeOf(holder.Image.Config, "config")...)
		}
	}
	if doc.Image != nil {
		out = append(out, f.changeOf(doc.Image.Config, "config")...)
	}
	kind := "manifest"
	if doc.Value.Get("manifests") != nil {
		kind = "index"
	}
	return append(out, f.changeOf(doc, kind)...)
}

func (f *fixer) changeOf(doc *catalog.Document, kind string) []store.Change {
	listed := f.listed[doc]
	f.listed[doc] = true
	if listed || !doc.Changed() {
		return nil
	}
	if doc != f.catalog.Index || !f.unlisted {
		f.report.Blobs = append(f.report.Blobs, BlobChange{
			Kind: kind, Old: doc.Digest, New: doc.NowDigest, OldSize: int64(len(doc.Raw)), NewSize: int64(len(doc.Now)),
		})
	}
	c := store.Change{Old: doc.Name, Content: bytes.NewReader(doc.Now), Size: int64(len(doc.Now)), Last: doc == f.catalog.Index || doc == f.catalog.Docker}
	return []store.Change{c.Renamed([2]string{doc.Digest, doc.NowDigest})}
}
