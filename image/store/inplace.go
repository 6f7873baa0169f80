package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
)

// ReplaceIn makes changes of a layout in place. New blobs don't disturb; the layout
// is another once its index is. Other runs of capwise wait for the lock; other
// programs know none, so that merged gets the index as it is just before, and returns
// what stands for it.
func (d *Dir) ReplaceIn(changes []Change, merged func(index []byte) ([]byte, error)) error {
	undos, err := d.addBlobs(changes)
	if err == nil {
		err = d.replaceIndex(merged, undos)
	}
	if err != nil {
		for _, u := range undos {
			u.Do()
		}
	}
	return err
}

// addBlobs writes the new blobs. What it returns takes them away again.
func (d *Dir) addBlobs(changes []Change) (undos []*scratch.Undo, err error) {
	for _, c := range changes {
		if c.Last {
			continue
		}
		if _, err := d.Root.Stat(c.New); errors.Is(err, fs.ErrNotExist) {
			undos = append(undos, scratch.OnAbandon(func() { _ = d.Root.Remove(c.New) }))
		}
		if err := d.WriteFile(c); err != nil {
			return undos, err
		}
	}
	return undos, nil
}

// tries is how often another program may change the index in between.
const tries = 100

// replaceIndex puts the new index in the place of that which is there now.
func (d *Dir) replaceIndex(merged func([]byte) ([]byte, error), undos []*scratch.Undo) error {
	path := filepath.Join(d.Path, IndexFile)
	for range tries {
		was, err := d.Index()
		if err != nil {
			return err
		}
		now, err := merged(was)
		if err != nil {
			return err
		}
		err = replaceFile(path, path, func(w *os.File) error {
			_, err := io.Copy(w, bytes.NewReader(now))
			return err
		}, func(name string) error {
			again, err := d.document(filepath.Base(name))
			if err == nil && !bytes.Equal(was, again) {
				err = errMoved
			}
			return err
		}, undos...)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return fmt.Errorf("%s: other programs go on changing it: %w", IndexFile, ErrChanged)
}

var errMoved = errors.New("the index is another by now")

// Index reads index.json as it is now.
func (d *Dir) Index() ([]byte, error) { return d.document(IndexFile) }

// document reads a file at the top of the layout.
func (d *Dir) document(name string) ([]byte, error) {
	f, err := plainfile.OpenIn(d.Root, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	raw, err := limit.Document.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}
