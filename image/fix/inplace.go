package fix

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/store"
)

// replace makes the changes of a layout in place, and removes what nothing refers to
// any more: the index is read once more before.
func (f *fixer) replace(d *store.Dir, changes []store.Change) error {
	if err := d.ReplaceIn(changes, f.merged); err != nil {
		return err
	}
	return f.removeOld(d, changes)
}

// merged returns the index that is there now with this run's changes. What other
// programs have added to it stays. What they have moved is theirs.
func (f *fixer) merged(was []byte) ([]byte, error) {
	if bytes.Equal(was, f.catalog.Index.Raw) {
		return f.catalog.Index.Now, nil
	}
	v, err := rawjson.Parse(was)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", store.IndexFile, err)
	}
	var edits []rawjson.Edit
	for _, c := range f.catalog.Index.Children {
		if c.Doc == nil || !c.Doc.Changed() {
			continue
		}
		there := false
		for _, d := range v.Get("manifests").List() {
			if d.Get("digest").Text() == c.Doc.Digest && f.catalog.HasTag(d) {
				there = true
				edits = append(edits, f.setDescriptor(d, c.Doc.NowDigest, int64(len(c.Doc.Now)))...)
			}
		}
		if !there {
			return nil, fmt.Errorf("%s: another program has replaced %s in it meanwhile; nothing is changed: %w", store.IndexFile, c.Doc.Digest, store.ErrChanged)
		}
	}
	return rawjson.Apply(was, edits), nil
}

// removeOld removes the files that the changes replaced, unless something in the
// layout as it is now refers to them.
func (f *fixer) removeOld(d *store.Dir, changes []store.Change) error {
	now, err := d.Index()
	if err != nil {
		return err
	}
	r := newReach(f)
	r.document(now)
	if r.unread != nil {
		f.warn("no old blob is removed, since it can't be told what refers to it: %v", r.unread)
	}
	for _, c := range changes {
		if c.Old == c.New || r.keeps(c.Old) {
			continue
		}
		if err := d.Root.Remove(c.Old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.warn("%s stays, which nothing refers to any more: %v", c.Old, err)
		}
	}
	return nil
}
