package fix

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/capwise/capwise/aware"
	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/internal/scratch"
)

// ErrNoFile says that no layer has a file that [Options] name.
var ErrNoFile = errors.New("no layer has this file")

// decide says what becomes of the files that are seen of a layer.
func (f *fixer) decide(l *fixedLayer) error {
	f.above(l, func(layers []*fixedLayer) { l.markVisible(stackOf(layers)) })
	for _, e := range l.entries {
		if len(e.seenAs) == 0 || !f.wanted(l, e) || filefix.OnlyInheritable(e.caps) && f.options.Mode != Strip {
			continue
		}
		mode, err := f.choose(l, e)
		if err == nil && mode == Launcher {
			mode, err = l.launcherOr(e)
		}
		if err != nil {
			return err
		}
		e.mode = mode
	}
	return nil
}

// markVisible notes the names under which a container sees the entries of a layer, with
// those above it.
func (l *fixedLayer) markVisible(stack facts.Stack) {
	for name, c := range stack.Visible(0) {
		for _, e := range l.entries {
			if e.File == c.File {
				e.seenAs[name] = true
			}
		}
	}
}

// launcherOr returns Launcher, or Permitted for what is one already.
func (l *fixedLayer) launcherOr(e *entry) (Mode, error) {
	done, err := l.launched(e)
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.Path, err)
	}
	if done {
		return Permitted, nil
	}
	if l.launchers++; l.launchers > maxLaunchers {
		return "", fmt.Errorf("more than %d programs that want a launcher", maxLaunchers)
	}
	return Launcher, nil
}

func (f *fixer) choose(l *fixedLayer, e *entry) (Mode, error) {
	if f.options.Mode != Auto {
		return f.options.Mode, nil
	}
	content := l.contentOf(e)
	if content == nil {
		return "", fmt.Errorf("%s: content not readable (special file, or hard link into another layer), so %s cannot decide; choose another mode, or files", e.Path, Auto)
	}
	return f.options.Choose(e.Path, e.Attribute, func() (aware.Result, error) { return f.program(l, e, content) })
}

// program is what a program says about itself, with the libraries that it is linked with
// in each of the images that have it. If they differ, the one that does not tell counts.
func (f *fixer) program(l *fixedLayer, e *entry, content io.ReaderAt) (aware.Result, error) {
	is, err := aware.Detect(content)
	if err != nil {
		return is, err
	}
	for _, img := range f.with(l) {
		if r := is.WithLibraries(e.Path, stackOf(f.of(img)).Library); r.Answer != is.Answer {
			return r, nil
		}
	}
	return is, nil
}

// contentOf returns the content of an entry, which for a hard link is that of another
// in its layer; nil if it is not known.
func (l *fixedLayer) contentOf(e *entry) *io.SectionReader {
	for _, other := range l.entries {
		if e.Content == nil && other.File == e.File && other.Content != nil {
			return other.Content
		}
	}
	return e.Content
}

// change changes a layer if something that is seen of it has to.
func (f *fixer) change(l *fixedLayer) error {
	var edits []layer.Edit
	for _, e := range l.entries {
		own, change, err := f.changeFile(l, e)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		if len(own) > 0 {
			edits = append(edits, own...)
			l.files = append(l.files, change)
		}
	}
	if len(edits) == 0 {
		return nil
	}
	changed, err := l.content.Rewrite(edits, l.blob.DiffIDs, f.scratch)
	if err != nil {
		return err
	}
	l.changed = changed
	if changed.Warning != "" {
		l.warnings = append(l.warnings, changed.Warning)
	}
	var images []string
	for _, img := range f.with(l) {
		images = append(images, strings.TrimSpace(img.Label()+" "+img.Platform))
	}
	for i := range l.files {
		l.files[i].Images, l.files[i].Layer = images, cmp.Or(l.blob.Digest, changed.OldDiffID)
	}
	return nil
}

func (f *fixer) changeFile(l *fixedLayer, e *entry) ([]layer.Edit, FileChange, error) {
	switch e.mode {
	case Permitted, Strip:
	case Launcher:
		edit, change, err := f.putLauncher(l, e)
		if err != nil {
			return nil, change, fmt.Errorf("no launcher can be put before it: %w", err)
		}
		return []layer.Edit{edit}, change, nil
	default:
		return nil, FileChange{}, nil
	}
	edits, err := e.Edits(e.mode)
	if err != nil || len(edits) == 0 {
		return nil, FileChange{}, err
	}
	change := FileChange{Path: e.Path, Action: e.mode, Old: e.caps.String(), Offset: edits[0].Offset}
	if e.mode == Permitted {
		now := e.caps
		now.Effective = false
		change.New = now.String()
	}
	for _, e := range edits {
		change.Bytes += int64(max(len(e.Old), len(e.New)))
	}
	return edits, change, nil
}

// wanted reports whether the entry is one of the files that the user named, under
// this name or that of a hard link to it in its layer.
func (f *fixer) wanted(l *fixedLayer, e *entry) bool {
	if len(f.options.Files) == 0 || slices.Contains(f.options.Files, e.Path) || slices.Contains(f.options.Files, e.Target) {
		return true
	}
	return slices.ContainsFunc(l.facts.Capable(), func(c facts.Capable) bool {
		return c.File == e.File && slices.ContainsFunc(c.Names, func(name string) bool { return slices.Contains(f.options.Files, name) })
	})
}

// checkFiles says which of the files that the user named no layer has.
func (f *fixer) checkFiles() error {
	for _, name := range f.options.Files {
		if !slices.ContainsFunc(f.catalog.Layers(), func(b *catalog.Blob) bool { return f.layers[b].facts.Has(name) }) {
			return fmt.Errorf("%s: %w", name, ErrNoFile)
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
