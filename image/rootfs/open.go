// Package rootfs reads the root file systems of container images: their layers, one
// over the other, with whiteouts and hard links honoured, as the file system that a
// container starts with.
//
// [Open] takes a reference such as "docker-archive:caddy.tar", and finds all images
// that it leads to; [New] takes an image that is open already. Each layer is read once,
// and none whose facts a cache has. Nothing is unpacked, and no root is needed.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
)

// Options say how images are read.
type Options struct {
	// Cache is asked for facts of layers, and keeps those that are read; nil for none.
	Cache *facts.Cache
	// Stdin is where the archive "-" comes from; nil if it is not read.
	Stdin io.Reader
	// Progress is told what is read; nil if nobody looks.
	Progress *layer.Progress
}

// Source is the images that a reference leads to. It is for one goroutine.
type Source struct {
	reference string
	store     store.Store
	catalog   *catalog.Catalog
	options   Options

	mu     sync.Mutex
	loaded map[*catalog.Blob]*facts.Layer
	uses   map[*catalog.Blob]int // by images that were not read, or are not closed
	open   map[*catalog.Blob]int // by images that are open
	idle   int                   // names in memory of layers that none of these has
}

// Open finds the images of a reference: all that a layout or an archive has, for all
// platforms, unless the reference names one. docker:, podman: and containerd: ask the
// engine of that name, registry: the registry, with the credentials of the user's
// Docker configuration. The caller closes the source.
func Open(reference string, o Options) (*Source, error) {
	r, err := ref.Parse(reference)
	if err != nil {
		return nil, err
	}
	s := &Source{reference: r.String(), options: o, loaded: map[*catalog.Blob]*facts.Layer{}, uses: map[*catalog.Blob]int{}, open: map[*catalog.Blob]int{}}
	if s.store, err = store.Open(r, false, o.Stdin); err != nil {
		return nil, fmt.Errorf("image %q: %w", reference, err)
	}
	if s.catalog, err = catalog.Open(s.store, r); err != nil {
		return nil, fmt.Errorf("image %q: %w", reference, errors.Join(err, s.store.Close()))
	}
	for _, img := range s.catalog.Images {
		for _, b := range s.catalog.Layers(img) {
			s.uses[b]++
		}
	}
	return s, nil
}

// String is the reference.
func (s *Source) String() string { return s.reference }

// Images lists the images, which are not read for that.
func (s *Source) Images() []*catalog.Image { return s.catalog.Images }

// Skipped names images that have layers of a type which capwise does not read, and why:
// of those nothing is known.
func (s *Source) Skipped() []string { return s.catalog.Skipped }

// ForThisMachine lists the images that run here: those for Linux on this machine's
// architecture, and those that do not say for which. There is at least one.
func (s *Source) ForThisMachine() ([]*catalog.Image, error) {
	var out []*catalog.Image
	var seen []string
	for _, img := range s.catalog.Images {
		if arch := img.Arch(); arch == "" || arch == runtime.GOARCH {
			out = append(out, img)
			continue
		}
		seen = append(seen, img.Platform)
	}
	if len(out) == 0 {
		seen = append(seen, s.Skipped()...)
		return nil, fmt.Errorf("image %q: want an image for linux/%s, got %q", s.reference, runtime.GOARCH, seen)
	}
	return out, nil
}

// Each calls fn with all images, one after the other. The errors are those of images
// that could not be read, and of fn; the others are read all the same.
func (s *Source) Each(fn func(*Image) error) error {
	for _, b := range s.catalog.Layers() {
		s.options.Progress.Expect(b.Size)
	}
	var errs []error
	for _, img := range s.catalog.Images {
		i, err := s.Read(img)
		if err == nil {
			err = errors.Join(fn(i), i.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// atOnce bounds how many layers are read at the same time: the windows of
// decompressors take memory, and registries have limits of their own.
const atOnce = 4

// Read reads an image: those of its layers that no other has, and no cache knows. The
// caller closes it.
func (s *Source) Read(img *catalog.Image) (*Image, error) {
	out := &Image{Target: s.reference, Image: img, name: s.nameOf(img), source: s}
	reader := layer.NewReader(s.options.Cache, s.options.Progress, limit.Entries) // which counts what one image unpacks to
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, b := range img.Layers {
		if slices.Index(img.Layers, b) < i { // twice in one image
			continue
		}
		g.Go(func() error {
			if err := s.load(b, reader); err != nil && !errors.Is(err, layer.ErrStopped) {
				return fmt.Errorf("layer %d of %d: %w", i+1, len(img.Layers), err)
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		err = out.stack(s.loaded)
	}
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", out.name, errors.Join(err, out.Close()))
	}
	return out, nil
}

// load reads a layer unless that was done already, and notes that an image has it.
func (s *Source) load(b *catalog.Blob, reader *layer.Reader) error {
	if l := s.take(b); l != nil {
		return l.Reload()
	}
	l, err := reader.Facts(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded[b] = l
	s.open[b]++
	return nil
}

// take returns a layer that was read for another image, nil if there is none.
func (s *Source) take(b *catalog.Blob) *facts.Layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loaded[b]
	if l == nil {
		return nil
	}
	if s.open[b] == 0 {
		s.idle -= l.Len()
	}
	s.open[b]++
	return l
}

// mostIdle is how many names may stay in memory of layers that only later images want.
const mostIdle = 500_000

// release gives the layers of an image back that no other wants.
func (s *Source) release(img *catalog.Image) error {
	var err error
	for _, b := range s.catalog.Layers(img) {
		s.uses[b]--
		l := s.loaded[b]
		if l == nil {
			continue
		}
		s.open[b]--
		switch {
		case s.uses[b] == 0:
			err = errors.Join(err, l.Close())
			delete(s.loaded, b)
		case s.open[b] == 0 && s.idle+l.Len() > mostIdle:
			l.Unload()
		case s.open[b] == 0:
			s.idle += l.Len()
		}
	}
	return err
}

// nameOf names an image in messages: by the reference, and where that leads to
// several, by its own name and platform.
func (s *Source) nameOf(img *catalog.Image) string {
	name := s.reference
	if slices.ContainsFunc(s.catalog.Images, func(o *catalog.Image) bool { return o.Label() != img.Label() && len(o.Names) > 0 }) {
		name += " " + img.Label()
	}
	if slices.ContainsFunc(s.catalog.Images, func(o *catalog.Image) bool { return o.Platform != img.Platform }) && img.Platform != "" {
		name += " " + img.Platform
	}
	return name
}

// Close gives back what the images were read from.
func (s *Source) Close() error {
	var err error
	for _, l := range s.loaded {
		err = errors.Join(err, l.Close())
	}
	return errors.Join(err, s.store.Close())
}
