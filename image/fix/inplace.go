package fix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// replace makes the changes of a layout in place. New blobs don't disturb; the
// layout is another once its index is. Other runs of capwise wait for the lock;
// other programs know none, so that the index is read again before it is
// replaced, and once more before anything is removed.
func (f *fixer) replace(d dir, changes []change) error {
	undos, err := addBlobs(d, changes)
	if err == nil {
		err = f.replaceIndex(d, undos)
	}
	if err != nil {
		for _, u := range undos {
			u.Do()
		}
		return err
	}
	return f.removeOld(d, changes)
}

// addBlobs writes the new blobs. What it returns takes them away again.
func addBlobs(d dir, changes []change) (undos []*scratch.Undo, err error) {
	for _, c := range changes {
		if c.last {
			continue
		}
		if _, err := d.Root.Stat(c.new); errors.Is(err, fs.ErrNotExist) {
			undos = append(undos, scratch.OnAbandon(func() { _ = d.Root.Remove(c.new) }))
		}
		if err := writeFile(filepath.Join(d.Path, c.new), filepath.Join(d.Path, c.old), c); err != nil {
			return undos, err
		}
	}
	return undos, nil
}

// tries is how often another program may change the index in between.
const tries = 100

// replaceIndex puts the new index in the place of that which is there now.
func (f *fixer) replaceIndex(d dir, undos []*scratch.Undo) error {
	path := filepath.Join(d.Path, indexFile)
	for range tries {
		was, err := readIndexNow(d)
		if err != nil {
			return err
		}
		now, err := f.merged(was)
		if err != nil {
			return err
		}
		err = replaceFile(path, path, func(w *os.File) error {
			_, err := io.Copy(w, bytes.NewReader(now))
			return err
		}, func() error {
			again, err := readIndexNow(d)
			if err == nil && !bytes.Equal(was, again) {
				err = errMoved
			}
			return err
		}, undos...)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return fmt.Errorf("%s: other programs go on changing it", indexFile)
}

var errMoved = errors.New("the index is another by now")

func readIndexNow(d dir) ([]byte, error) {
	index, err := plainfile.OpenIn(d.Root, indexFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = index.Close() }() // opened for reading
	raw, err := limit.Document.ReadAll(index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	return raw, nil
}

// merged returns the index that is there now with this run's changes. What other
// programs have added to it stays. What they have moved is theirs.
func (f *fixer) merged(was []byte) ([]byte, error) {
	if bytes.Equal(was, f.index.raw) {
		return f.index.now, nil
	}
	v, err := rawjson.Parse(was)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	var edits []rawjson.Edit
	for _, c := range f.index.children {
		if c.doc == nil || !c.doc.changed() {
			continue
		}
		there := false
		for _, d := range v.Get("manifests").List() {
			if d.Get("digest").Text() == c.doc.digest && f.hasTag(d) {
				there = true
				edits = append(edits, f.setDescriptor(d, c.doc.nowDigest, int64(len(c.doc.now)))...)
			}
		}
		if !there {
			return nil, fmt.Errorf("%s: another program has replaced %s in it meanwhile; nothing is changed", indexFile, c.doc.digest)
		}
	}
	return rawjson.Apply(was, edits), nil
}

// removeOld removes the files that the changes replaced, unless something in the
// layout as it is now refers to them.
func (f *fixer) removeOld(d dir, changes []change) error {
	now, err := readIndexNow(d)
	if err != nil {
		return err
	}
	r := newReach(f)
	r.document(now)
	if r.unread != nil {
		f.warn("no old blob is removed, since it can't be told what refers to it: %v", r.unread)
	}
	for _, c := range changes {
		if c.old == c.new || r.keeps(c.old) {
			continue
		}
		if err := d.Root.Remove(c.old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.warn("%s stays, which nothing refers to any more: %v", c.old, err)
		}
	}
	return nil
}
