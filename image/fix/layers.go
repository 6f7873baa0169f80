package fix

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/layer"
)

// atOnce bounds the windows of decompressors, however many processors there are.
const atOnce = 4

// fixedLayer is one layer, which several images may have.
type fixedLayer struct {
	blob *catalog.Blob
	// facts is what is known of it, once it is scanned.
	facts *facts.Layer
	// content is the layer to be changed; nil if nothing of it has to.
	content *layer.Editable
	entries []*entry
	scanned chan struct{}
	ok      bool // it was scanned without an error

	warnings  []string
	launchers int            // how many programs get one
	changed   *layer.Changed // nil if it stays
	files     []FileChange
}

// entry is an entry of a layer with the attribute.
type entry struct {
	*layer.Entry
	caps filecap.Caps
	// seenAs are the names under which a container of some image sees it.
	seenAs map[string]bool
	mode   Mode // what becomes of it; "" as of what is left as it is
}

// fixLayers scans all layers, and changes those that have to change. The topmost
// begin: whether an entry is seen depends on the layers above, so that a layer is
// changed while those below it are still being scanned.
func (f *fixer) fixLayers() error {
	all := f.catalog.Layers()
	for _, b := range all {
		f.options.Progress.Expect(b.Size)
		f.layers[b] = &fixedLayer{blob: b, scanned: make(chan struct{})}
	}
	busy := make(chan struct{}, min(runtime.GOMAXPROCS(0), atOnce))
	var g errgroup.Group
	for _, b := range slices.Backward(all) {
		l := f.layers[b]
		busy <- struct{}{} // in this order
		g.Go(func() error {
			err := f.scan(l)
			l.ok = err == nil
			close(l.scanned)
			<-busy
			if err == nil {
				err = f.changeScanned(l, busy)
			}
			if err != nil && !errors.Is(err, layer.ErrStopped) {
				return fmt.Errorf("%s: %w", l.blob.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, b := range all {
		l := f.layers[b]
		f.report.Files = append(f.report.Files, l.files...)
		f.report.Warnings = append(f.report.Warnings, l.warnings...)
		f.addBlob(l)
	}
	return f.checkFiles()
}

// scan reads a layer, unless it is known to have nothing that could change.
func (f *fixer) scan(l *fixedLayer) error {
	known, err := f.reader.Known(l.blob)
	if err != nil {
		return err
	}
	if known != nil {
		if len(known.Capable()) == 0 {
			f.scannedTo(l, known)
			return nil
		}
		if err := known.Close(); err != nil {
			return err
		}
	}
	file, err := l.blob.File()
	if err != nil {
		return err
	}
	if l.content, err = f.reader.ReadEditable(file.SectionReader, l.blob.Digest, l.blob.Key()); err != nil {
		return err
	}
	for _, e := range l.content.Entries {
		caps, err := e.Caps()
		if err != nil {
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %v; left as it is", e.Path, err))
			continue
		}
		l.entries = append(l.entries, &entry{Entry: e, caps: caps, seenAs: map[string]bool{}})
	}
	f.scannedTo(l, l.content.Facts)
	return nil
}

// scannedTo keeps the facts of a layer until the run is over.
func (f *fixer) scannedTo(l *fixedLayer, known *facts.Layer) {
	l.facts = known
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closers = append(f.closers, known.Close)
	if l.content != nil {
		f.closers = append(f.closers, l.content.Close)
	}
}

func (f *fixer) addBlob(l *fixedLayer) {
	if c := l.changed; c != nil {
		f.report.Blobs = append(f.report.Blobs, BlobChange{
			Kind: "layer", Old: c.OldDigest, New: c.Digest, OldSize: l.blob.Size, NewSize: c.Size,
			OldDiffID: c.OldDiffID, NewDiffID: c.DiffID, How: c.How, Encoded: c.Encoded,
		})
	}
}

// above calls do with the layer and those above it, for each place that it has
// in an image.
func (f *fixer) above(l *fixedLayer, do func([]*fixedLayer)) {
	for _, img := range f.catalog.Images {
		layers := f.of(img)
		for i := range layers {
			if layers[i] == l {
				do(layers[i:])
			}
		}
	}
}

// of returns the layers of an image.
func (f *fixer) of(img *catalog.Image) []*fixedLayer {
	out := make([]*fixedLayer, len(img.Layers))
	for i, b := range img.Layers {
		out[i] = f.layers[b]
	}
	return out
}

// stackOf puts layers over each other that were scanned.
func stackOf(layers []*fixedLayer) facts.Stack {
	out := make(facts.Stack, len(layers))
	for i, l := range layers {
		out[i] = l.facts
	}
	return out
}

// changeScanned changes a layer once those that have a say are scanned. If one
// could not be, that has the error.
func (f *fixer) changeScanned(l *fixedLayer, busy chan struct{}) error {
	switch {
	case len(l.entries) == 0, !f.awaitAbove(l):
		return nil
	case f.options.Mode == Auto && !f.awaitAll(l): // for the libraries of its programs
		return nil
	}
	if err := f.decide(l); err != nil {
		return err
	}
	if l.launchers > 0 && !f.awaitAll(l) {
		return nil
	}
	busy <- struct{}{}
	defer func() { <-busy }()
	return f.change(l)
}

// awaitAbove waits until the layers above are scanned, and reports whether that
// went well.
func (f *fixer) awaitAbove(l *fixedLayer) bool {
	ok := true
	f.above(l, func(layers []*fixedLayer) { ok = await(layers) && ok })
	return ok
}

// awaitAll is awaitAbove for those below, too.
func (f *fixer) awaitAll(l *fixedLayer) bool {
	ok := true
	for _, img := range f.with(l) {
		ok = await(f.of(img)) && ok
	}
	return ok
}

func await(layers []*fixedLayer) bool {
	ok := true
	for _, l := range layers {
		<-l.scanned
		ok = ok && l.ok
	}
	return ok
}
