package fix

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/scratch"
)

// atOnce bounds the windows of decompressors, however many processors there are.
const atOnce = 4

// fixLayers scans all layers, and changes those that have to change. The topmost
// begin: whether an entry is seen depends on the layers above, so that a layer is
// changed while those below it are still being scanned.
func (f *fixer) fixLayers() error {
	busy := make(chan struct{}, min(runtime.GOMAXPROCS(0), atOnce))
	var g errgroup.Group
	for _, l := range f.topDown() {
		busy <- struct{}{} // in this order
		g.Go(func() error {
			err := l.scan(f.keep())
			l.ok = err == nil
			close(l.scanned)
			<-busy
			if err == nil {
				err = f.changeScanned(l, busy)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", l.blob.name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, l := range f.bottomUp() {
		f.report.Files = append(f.report.Files, l.files...)
		f.report.Warnings = append(f.report.Warnings, l.warnings...)
		f.addBlob(l)
	}
	return f.checkFiles()
}

func (f *fixer) addBlob(l *layer) {
	if c := l.changed; c != nil {
		f.report.Blobs = append(f.report.Blobs, BlobChange{
			Kind: "layer", Old: c.oldDigest, New: c.digest, OldSize: l.blob.Size(), NewSize: c.size,
			OldDiffID: c.oldDiffID, NewDiffID: c.diffID, How: c.how, Encoded: c.encoded,
		})
	}
}

// bottomUp returns every layer once, in an order in which each stands behind
// those below it where images agree about that.
func (f *fixer) bottomUp() []*layer {
	return once(f.images...)
}

// once returns the layers of images, each once.
func once(images ...*image) []*layer {
	var out []*layer
	seen := map[*layer]bool{}
	for _, img := range images {
		for _, l := range img.layers {
			if !seen[l] {
				seen[l] = true
				out = append(out, l)
			}
		}
	}
	return out
}

func (f *fixer) topDown() []*layer {
	out := f.bottomUp()
	slices.Reverse(out)
	return out
}

// above calls do with the layer and those above it, for each place that it has
// in an image.
func (f *fixer) above(l *layer, do func([]*layer)) {
	for _, img := range f.images {
		for i := range img.layers {
			if img.layers[i] == l {
				do(img.layers[i:])
			}
		}
	}
}

// keep returns where contents of programs are kept; nil if nobody looks at them.
func (f *fixer) keep() scratchFile {
	if f.options.Mode == Launcher || f.options.Mode == Auto {
		return f.scratch
	}
	return nil
}

// changeScanned changes a layer once those that have a say are scanned. If one
// could not be, that has the error.
func (f *fixer) changeScanned(l *layer, busy chan struct{}) error {
	if !f.awaitAbove(l) {
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
func (f *fixer) awaitAbove(l *layer) bool {
	ok := true
	f.above(l, func(layers []*layer) { ok = await(layers) && ok })
	return ok
}

// awaitAll is awaitAbove for those below, too.
func (f *fixer) awaitAll(l *layer) bool {
	ok := true
	for _, img := range f.with(l) {
		ok = await(img.layers) && ok
	}
	return ok
}

func await(layers []*layer) bool {
	ok := true
	for _, l := range layers {
		<-l.scanned
		ok = ok && l.ok
	}
	return ok
}

// decide says what becomes of the files that are seen of a layer.
func (f *fixer) decide(l *layer) error {
	f.above(l, markVisible)
	for _, c := range l.capable {
		if !c.has || len(c.seenAs) == 0 || !f.wanted(l, c) {
			continue
		}
		if filefix.OnlyInheritable(c.caps) && f.options.Mode != Strip {
			continue
		}
		mode, err := f.choose(l, c)
		if err != nil {
			return err
		}
		if mode == Launcher {
			done, err := l.launched(c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.path, err)
			}
			if done {
				mode = Permitted
			} else if l.launchers++; l.launchers > maxLaunchers {
				return fmt.Errorf("more than %d programs that want a launcher", maxLaunchers)
			}
		}
		c.mode = mode
	}
	return nil
}

func (f *fixer) choose(l *layer, c *capable) (Mode, error) {
	if f.options.Mode != Auto {
		return f.options.Mode, nil
	}
	content := l.contentOf(c)
	if content == nil {
		return "", fmt.Errorf("%s is no regular file, or a hard link to a program that is not in its layer; choose another mode than %s, or files", c.path, Auto)
	}
	return f.options.Choose(c.path, c.attribute, content)
}

// change changes a layer if something that is seen of it has to.
func (f *fixer) change(l *layer) error {
	var edits []edit
	for _, c := range l.capable {
		own, change, err := f.changeFile(l, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		if len(own) > 0 {
			edits = append(edits, own...)
			l.files = append(l.files, change)
		}
	}
	if len(edits) == 0 {
		return nil
	}
	if err := l.rewrite(edits, f.scratch); err != nil {
		return err
	}
	for i := range l.files {
		l.files[i].Layer = l.changed.oldDiffID
	}
	return nil
}

func (f *fixer) changeFile(l *layer, c *capable) ([]edit, FileChange, error) {
	switch c.mode {
	case Permitted, Strip:
	case Launcher:
		e, change, err := f.putLauncher(l, c)
		if err != nil {
			return nil, change, fmt.Errorf("no launcher can be put before it: %w", err)
		}
		return []edit{e}, change, nil
	default:
		return nil, FileChange{}, nil
	}
	edits, err := c.edits(c.mode)
	if err != nil || len(edits) == 0 {
		return nil, FileChange{}, err
	}
	change := FileChange{Path: c.path, Action: c.mode, Old: c.caps.String(), Offset: edits[0].offset}
	if c.mode == Permitted {
		now := c.caps
		now.Effective = false
		change.New = now.String()
	}
	for _, e := range edits {
		change.Bytes += int64(max(len(e.old), len(e.new)))
	}
	return edits, change, nil
}

// wanted reports whether the entry is one of the files that the user named, under
// this name or that of a hard link to it in its layer.
func (f *fixer) wanted(l *layer, c *capable) bool {
	if len(f.options.Files) == 0 || slices.Contains(f.options.Files, c.path) || slices.Contains(f.options.Files, c.target) {
		return true
	}
	return slices.ContainsFunc(l.capable, func(link *capable) bool {
		return link.target == c.path && slices.Contains(f.options.Files, link.path)
	})
}

// checkFiles holds that no layer lacks a file that the user named.
func (f *fixer) checkFiles() error {
	for _, name := range f.options.Files {
		if !slices.ContainsFunc(f.bottomUp(), func(l *layer) bool { return l.has(name) }) {
			return fmt.Errorf("--file %s: no layer has it", name)
		}
	}
	return nil
}

// scratch returns a file that is gone when the fixer is closed. It has no name
// from the beginning.
func (f *fixer) scratch() (*os.File, error) {
	file, err := scratch.File()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closers = append(f.closers, file.Close)
	return file, nil
}
