package fix

import (
	"bytes"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/internal/store"
)

// document is a configuration, manifest or index.
type document struct {
	name   string
	digest string
	raw    []byte
	value  *rawjson.Value
	image  *image // of a manifest
	// children are those of an index that are changed with it.
	children []*descriptor

	done      bool
	now       []byte
	nowDigest string
}

// descriptor is what an index or manifest says of a document.
type descriptor struct {
	value *rawjson.Value
	doc   *document
}

func (d *document) changed() bool { return d.nowDigest != d.digest }

func digestBytes(b []byte) string { return store.Digest256(b) }

// document reads a file as JSON. If the digest is not "", it must be its own, and
// so must the size that is not negative.
func (f *fixer) document(name, digest string, size int64) (*document, error) {
	file, err := f.store.open(name, size)
	if err != nil {
		return nil, err
	}
	if d := f.docs[file.name]; d != nil {
		return d, nil
	}
	raw, value, err := f.reading.Read(&store.File{Name: file.name, SectionReader: file.SectionReader}, digest)
	if err != nil {
		return nil, err
	}
	d := &document{name: file.name, digest: digest, raw: raw, value: value}
	if digest == "" {
		d.digest = digestBytes(raw)
	}
	d.now, d.nowDigest = raw, d.digest
	f.docs[d.name] = d
	if layout, ok := f.store.(dir); ok {
		layout.Forget(file.name) // of thousands of documents not all can be open
	}
	return d, nil
}

// hexOf is a digest without its algorithm.
func hexOf(digest string) string { return digest[strings.IndexByte(digest, ':')+1:] }

// documents gives all documents that follow from changed layers their new
// content, and returns all changes.
func (f *fixer) documents() []change {
	var out []change
	for _, l := range f.bottomUp() {
		if c := l.changed; c != nil {
			out = append(out, change{old: l.blob.name, content: c.content, size: c.size}.renamed(
				[2]string{c.oldDigest, c.digest}, [2]string{c.oldDiffID, c.diffID}))
		}
	}
	for _, doc := range []*document{f.docker, f.index} {
		if doc == nil {
			continue
		}
		f.rewrite(doc)
		out = append(out, f.changesBelow(doc)...)
	}
	f.keepReachable(out)
	if f.index != nil {
		f.findStale()
	}
	return unique(out)
}

// renamed gives the change the name that the file has with its new digest.
func (c change) renamed(digests ...[2]string) change {
	c.new = c.old
	for _, d := range digests {
		from, to := hexOf(d[0]), hexOf(d[1])
		if strings.Contains(c.old, from) {
			c.new, c.from, c.to = strings.ReplaceAll(c.old, from, to), from, to
			break
		}
	}
	return c
}

// unique leaves out changes of files that are there already.
func unique(changes []change) []change {
	var out []change
	seen := map[string]bool{}
	for _, c := range changes {
		if !seen[c.old] {
			seen[c.old] = true
			out = append(out, c)
		}
	}
	return out
}

// rewrite gives a document its new content, after those that it refers to.
func (f *fixer) rewrite(doc *document) {
	if doc.done {
		return
	}
	doc.done = true
	var edits []rawjson.Edit
	for _, c := range doc.children {
		if c.doc == nil {
			continue
		}
		f.rewrite(c.doc)
		if c.doc.changed() {
			edits = append(edits, f.setDescriptor(c.value, c.doc.nowDigest, int64(len(c.doc.now)))...)
		}
	}
	if doc.image != nil {
		edits = append(edits, f.rewriteManifest(doc)...)
	}
	if doc == f.docker {
		edits = append(edits, f.rewriteDocker()...)
	}
	doc.set(rawjson.Apply(doc.raw, edits))
}

func (d *document) set(now []byte) {
	if !bytes.Equal(now, d.raw) {
		d.now, d.nowDigest = now, digestBytes(now)
	}
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

func (f *fixer) rewriteManifest(doc *document) []rawjson.Edit {
	var edits []rawjson.Edit
	f.rewriteConfig(doc.image)
	if c := doc.image.config; c.changed() {
		edits = append(edits, f.setDescriptor(doc.value.Get("config"), c.nowDigest, int64(len(c.now)))...)
	}
	for i, d := range doc.value.Get("layers").List() {
		l := doc.image.layers[i]
		if l.changed == nil {
			continue
		}
		edits = append(edits, f.setDescriptor(d, l.changed.digest, l.changed.size)...)
		edits = append(edits, d.Get("annotations").Remove(func(key string) bool {
			stale := isTableOfContents(key)
			if stale {
				f.warn("%s: annotation %s is about the old layer, and is dropped: the new one is not pulled lazily", l.changed.oldDigest, key)
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

func (f *fixer) rewriteConfig(img *image) {
	c := img.config
	if c.done {
		return
	}
	c.done = true
	var edits []rawjson.Edit
	for i, id := range img.diffIDs() {
		if l := img.layers[i]; l.changed != nil {
			edits = append(edits, id.SetText(l.changed.diffID))
		}
	}
	c.set(rawjson.Apply(c.raw, edits))
}

// changesBelow returns the changes of a document and those that it refers to,
// which come first.
func (f *fixer) changesBelow(doc *document) []change {
	var out []change
	for _, c := range doc.children {
		if c.doc != nil && !f.listed[c.doc] {
			out = append(out, f.changesBelow(c.doc)...)
		}
	}
	if doc == f.docker {
		for _, holder := range f.dockerImages {
			out = append(out, f.changeOf(holder.image.config, "config")...)
		}
	}
	if doc.image != nil {
		out = append(out, f.changeOf(doc.image.config, "config")...)
	}
	kind := "manifest"
	if doc.value.Get("manifests") != nil {
		kind = "index"
	}
	return append(out, f.changeOf(doc, kind)...)
}

func (f *fixer) changeOf(doc *document, kind string) []change {
	listed := f.listed[doc]
	f.listed[doc] = true
	if listed || !doc.changed() {
		return nil
	}
	if doc != f.index || !f.unlisted {
		f.report.Blobs = append(f.report.Blobs, BlobChange{
			Kind: kind, Old: doc.digest, New: doc.nowDigest, OldSize: int64(len(doc.raw)), NewSize: int64(len(doc.now)),
		})
	}
	c := change{old: doc.name, content: bytes.NewReader(doc.now), size: int64(len(doc.now)), last: doc == f.index || doc == f.docker}
	return []change{c.renamed([2]string{doc.digest, doc.nowDigest})}
}
