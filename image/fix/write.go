package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/capwise/capwise/image/push"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
)

// write writes the result where it is to go.
func (f *fixer) write(to ref.Ref, changes []store.Change) error {
	switch s := f.store.(type) {
	case *store.Registry:
		if to.Kind == ref.Registry {
			return push.Image(f.catalog, to.Path, changes)
		}
		if err := f.fetchAll(); err != nil {
			return err
		}
		return s.Write(to.Path, changes)
	case *store.Dir:
		switch {
		case to.Kind == ref.Registry:
			return push.Image(f.catalog, to.Path, changes)
		case store.Same(s.Path, to.Path):
			return f.replace(s, changes)
		}
		return s.Write(to.Path, changes)
	case *store.Archive:
		return s.Write(to.Path, changes)
	}
	return fmt.Errorf("%s cannot be written", f.reference)
}

// checkOut says what is in the way of a result in a registry.
func (f *fixer) checkOut(to ref.Ref) error {
	switch {
	case to.Kind != ref.Registry:
		return nil
	case to.Tag == "":
		return fmt.Errorf("%s names a digest, and the result needs a tag", to.Path)
	case len(f.catalog.Index.Children) != 1:
		return fmt.Errorf("%d images in it, for one tag of a registry: name one of them by its own tag", len(f.catalog.Index.Children))
	}
	return nil
}

// fetchAll fetches all that the index leads to, as far as the registry has it.
func (f *fixer) fetchAll() error {
	r := newReach(f)
	r.document(f.catalog.Index.Raw)
	for _, name := range slices.Sorted(maps.Keys(r.blobs)) {
		if _, err := f.store.Open(name, r.blobs[name]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
