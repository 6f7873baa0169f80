package fix

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/store"
)

// keepReachable finds out which old files something still refers to: another tag,
// or an image that is not changed.
func (f *fixer) keepReachable(changes []store.Change) {
	r := newReach(f)
	if f.catalog.Index != nil {
		r.document(f.catalog.Index.Now)
	}
	if f.catalog.Docker != nil {
		if v, err := rawjson.Parse(f.catalog.Docker.Now); err == nil {
			for _, m := range v.Elements {
				r.name(m.Get("Config").Text())
				for _, l := range m.Get("Layers").List() {
					r.name(l.Text())
				}
			}
		}
	}
	for i, c := range changes {
		changes[i].Keep = c.New != c.Old && r.keeps(c.Old)
	}
}

// reach follows descriptors.
type reach struct {
	f     *fixer
	blobs map[string]int64 // the sizes that descriptors say
	names map[string]bool
	// now is the documents by the names that their files get.
	now map[string]*catalog.Document
	// unread is why something could not be followed; then anything may be
	// referred to.
	unread error
}

func newReach(f *fixer) *reach {
	r := &reach{f: f, blobs: map[string]int64{}, names: map[string]bool{}, now: map[string]*catalog.Document{}}
	for _, doc := range f.catalog.Documents() {
		if name, err := store.BlobName(doc.NowDigest); err == nil {
			r.now[name] = doc
		}
	}
	return r
}

// keeps reports whether something refers to the file, or may.
func (r *reach) keeps(name string) bool {
	_, is := r.blobs[name]
	return is || r.names[name] || r.unread != nil
}

func (r *reach) name(name string) {
	r.names[path.Clean(name)] = true // a link to a file leads to the new one
}

func (r *reach) document(raw []byte) {
	v, err := rawjson.Parse(raw)
	if err != nil {
		r.unread = err
		return
	}
	for _, list := range []string{"layers", "blobs"} {
		for _, d := range v.Get(list).List() {
			r.blob(d)
		}
	}
	r.blob(v.Get("config"))
	for _, d := range v.Get("manifests").List() {
		if name := r.blob(d); name != "" {
			r.follow(name)
		}
	}
}

// blob notes what a descriptor refers to. It returns its name the first time.
func (r *reach) blob(d *rawjson.Value) string {
	name, err := store.BlobName(d.Get("digest").Text())
	if err != nil {
		return ""
	}
	if _, seen := r.blobs[name]; seen {
		return ""
	}
	r.blobs[name] = d.Get("size").Int()
	return name
}

func (r *reach) follow(name string) {
	if doc := r.now[name]; doc != nil {
		r.document(doc.Now)
		return
	}
	doc, err := r.f.catalog.Document(name, "", r.blobs[name])
	switch {
	case err == nil:
		r.document(doc.Raw)
	case !errors.Is(err, fs.ErrNotExist):
		r.unread = err
	}
}

// findStale names what was made for manifests that now have another digest:
// signatures, attestations and other referrers.
func (f *fixer) findStale() {
	gone := map[string]string{}
	for _, doc := range f.catalog.Documents() {
		if doc.Changed() && doc != f.catalog.Index && doc != f.catalog.Docker {
			gone[doc.Digest] = doc.NowDigest
		}
	}
	if len(gone) > 0 {
		f.staleIn(f.catalog.Index, gone, map[*catalog.Document]bool{})
	}
	r, ok := f.store.(*store.Registry)
	for _, old := range slices.Sorted(maps.Keys(gone)) {
		if !ok {
			break
		}
		list, err := about(r, old)
		if err != nil {
			f.warn("what is about %s can't be found out: %v", old, err)
		}
		for _, what := range list {
			f.warn("%s is about %s, which is replaced by %s", what, old, gone[old])
		}
	}
}

func (f *fixer) staleIn(doc *catalog.Document, gone map[string]string, seen map[*catalog.Document]bool) {
	if seen[doc] {
		return
	}
	seen[doc] = true
	for _, d := range doc.Value.Get("manifests").List() {
		digest := d.Get("digest").Text()
		annotations := d.Get("annotations")
		tag := annotations.Get(store.RefName).Text()
		for old := range gone {
			if strings.Contains(tag, strings.Replace(old, ":", "-", 1)) {
				f.warn("%s is about %s, which is replaced: sign or attest %s anew", tag, old, gone[old])
			}
		}
		if subject := annotations.Get("vnd.docker.reference.digest").Text(); gone[subject] != "" {
			f.warn("%s %s is about %s, which is replaced by %s", annotations.Get("vnd.docker.reference.type").Text(), digest, subject, gone[subject])
		}
		name, err := store.BlobName(digest)
		if err != nil {
			continue
		}
		child, err := f.catalog.Document(name, "", store.AnySize)
		if err != nil {
			continue // it is not there, or is no document
		}
		if subject := child.Value.Get("subject").Get("digest").Text(); gone[subject] != "" {
			f.warn("referrer %s (%s) is about %s, which is replaced by %s", digest, kindOf(child), subject, gone[subject])
		}
		f.staleIn(child, gone, seen)
	}
}

// kindOf is what a referrer says that it is.
func kindOf(d *catalog.Document) string {
	if t := d.Value.Get("artifactType").Text(); t != "" {
		return t
	}
	return d.Value.Get("config").Get("mediaType").Text()
}
