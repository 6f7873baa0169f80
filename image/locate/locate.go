// Package locate finds an image by the name that engines and manifests use: with the
// engines of this machine, and else in its registry, as an engine would pull it.
package locate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/rootfs"
)

// Finder finds images. It asks nobody again who could not answer. It is for one
// goroutine.
type Finder struct {
	Options rootfs.Options
	// Offline says that no registry is asked.
	Offline bool

	silent map[string]bool // engines and registries that could not answer
	hosts  *hosts          // how registries are reached, once that was read
}

// ErrNotFound is what an error wraps if nobody has the image, or nobody could say.
var ErrNotFound = errors.New("not found")

// engines are asked in this order, but for the one whose image it is.
var engines = []ref.Kind{ref.Docker, ref.Podman, ref.Containerd}

// Find opens an image by its name. It asks the engine of the image's own source first,
// "" for none, then the other engines of this machine, then the registry and its
// mirrors. where says in a few words who has it. The error is one line: who was asked,
// and what each said; of what could not answer, the first time only. The caller closes
// the source.
func (f *Finder) Find(name string, own ref.Kind) (source *rootfs.Source, where string, err error) {
	if f.silent == nil {
		f.silent = map[string]bool{}
	}
	var said []string
	for _, engine := range order(own) {
		source, err := f.engine(engine, name)
		if source != nil {
			return source, string(engine), nil
		}
		if err != nil {
			said = append(said, fmt.Sprintf("%s: %v", engine, err))
		}
	}
	if f.Offline {
		said = append(said, "the registry is not asked (offline)")
	} else {
		source, where, errs := f.registry(name, own)
		if source != nil {
			return source, "registry " + where, nil
		}
		said = append(said, errs...)
	}
	if len(said) == 0 {
		return nil, "", fmt.Errorf("image %q: %w here, and who else could have it did not answer before", name, ErrNotFound)
	}
	return nil, "", fmt.Errorf("image %q: %w: %s", name, ErrNotFound, oneLine(said))
}

// oneLine joins what was said. Some answers of registries are pages.
func oneLine(said []string) string {
	return strings.Join(strings.Fields(strings.Join(said, "; ")), " ")
}

// order lists the engines, the source's own first.
func order(own ref.Kind) []ref.Kind {
	out := slices.Clone(engines)
	if i := slices.Index(out, own); i > 0 {
		out = slices.Insert(slices.Delete(out, i, i+1), 0, own)
	}
	return out
}

// engine opens an image that an engine has; nil without an error if there is no such
// engine, or it could not answer before.
func (f *Finder) engine(engine ref.Kind, name string) (*rootfs.Source, error) {
	if f.silent[string(engine)] {
		return nil, nil
	}
	has, err := has(engine, name)
	if errors.Is(err, errNotInstalled) {
		f.silent[string(engine)] = true
		return nil, nil
	}
	if err != nil {
		f.silent[string(engine)] = true
		return nil, err
	}
	if !has {
		return nil, errors.New("it has no such image")
	}
	return rootfs.Open(string(engine)+":"+name, f.Options)
}
