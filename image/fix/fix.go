// Package fix changes file capabilities inside images, in files and registries,
// byte for byte: without a daemon, without root and without another layer.
//
// [Run] scans the layers, finds the entries with the attribute
// security.capability that a container of the image sees, changes them, and
// gives layers, configurations, manifests and indexes that follow from them
// their new digests. Everything else stays as it is: other blobs, unknown members
// of documents, and in a changed layer every byte of the uncompressed archive
// that is not part of the attribute. A gzip layer is patched (package gzpatch),
// and is verified before it is offered: decompressed, with the changes undone, it
// must have the digest that the image's configuration gives for the old one.
//
// Entries that later layers replace or remove are left as they are: no container
// sees them, and a layer that need not change keeps its digest.
package fix

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"

	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scan"
)

// Mode says what becomes of the attribute, as on this machine.
type Mode = filefix.Mode

// The modes, of which only [Options].Choose returns Keep.
const (
	Permitted = filefix.Permitted
	Strip     = filefix.Strip
	Launcher  = filefix.Launcher
	Auto      = filefix.Auto
	Keep      = filefix.Keep
)

// Kinds are those of the targets that [Run] takes.
func Kinds() []ref.Kind {
	return []ref.Kind{ref.DockerArchive, ref.Layout, ref.LayoutArchive, ref.Registry}
}

// Options say what to do.
type Options struct {
	Mode Mode
	// Files are the only files to change, by their path in the image; none are
	// all.
	Files []string
	// Launcher returns the launcher for an architecture, in Go's name; for the modes
	// [Launcher] and [Auto].
	Launcher func(arch string) ([]byte, error)
	// Choose says what becomes of a file, by its attribute and what its program says
	// about itself. Several goroutines call it. Its error ends the run.
	Choose func(path string, attribute []byte, program scan.Program) (Mode, error)
	// Owners says what becomes of programs that want a launcher and that others than
	// root could rewrite.
	Owners filefix.Owners
	// NoSecureExecution lets Auto put launchers also before programs that would not
	// work in secure-execution mode, and that therefore run without it.
	NoSecureExecution bool
	// Out is where the result goes, a target of the same kind, or one of a registry
	// and the other a layout; "" is in place.
	Out string
	// DryRun finds out everything and writes nothing.
	DryRun bool
	// Cache has facts of layers: those that have nothing to change are not read.
	Cache *facts.Cache
	// Progress is told what is read; nil if nobody looks.
	Progress *layer.Progress
}

// Report is what [Run] changed, or with DryRun would.
type Report struct {
	Target string `json:"target"`
	// Out is where the result is.
	Out    string       `json:"out"`
	DryRun bool         `json:"dry_run"`
	Files  []FileChange `json:"files"`
	Blobs  []BlobChange `json:"blobs"`
	// Warnings name what the change makes stale, and what was left alone.
	Warnings []string `json:"warnings"`
	// Skipped names images that were not looked at, and why.
	Skipped []string `json:"skipped"`
}

// FileChange is a changed file of an image.
type FileChange struct {
	Path   string `json:"path"`
	Action Mode   `json:"action"`
	// Images are those that have it, each by a tag or its digest, and its platform.
	Images []string `json:"images"`
	// Layer is the old digest of the layer's blob; where nobody says it, that of its
	// uncompressed archive.
	Layer string `json:"layer"`
	Old   string `json:"old"`
	// New is "" if the attribute is removed.
	New string `json:"new"`
	// Target is where the program moves, Arch the architecture, and Owner the user who
	// owns launcher and program, if it gets a launcher. Notes say what follows.
	Target string   `json:"target,omitempty"`
	Arch   string   `json:"arch,omitempty"`
	Owner  *uint32  `json:"owner,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Bytes is how many bytes of the uncompressed archive differ, are removed or
	// come in.
	Bytes int64 `json:"bytes"`
	// Offset is where the first of them is.
	Offset int64 `json:"offset"`
}

// BlobChange is a changed layer, configuration, manifest or index.
type BlobChange struct {
	Kind    string `json:"kind"`
	Old     string `json:"old"`
	New     string `json:"new"`
	OldSize int64  `json:"old_size"`
	NewSize int64  `json:"new_size"`
	// OldDiffID and NewDiffID are the digests of a layer's uncompressed archive.
	OldDiffID string `json:"old_diff_id,omitempty"`
	NewDiffID string `json:"new_diff_id,omitempty"`
	// How a layer came about: edited (uncompressed), patched or recompressed.
	How string `json:"how,omitempty"`
	// Encoded is how many bytes of its content a patch encoded again.
	Encoded int64 `json:"encoded,omitempty"`
}

// Run changes the target. Its error names the target and the place in it;
// nothing is written then.
func Run(target string, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	from, err := ref.Parse(target, Kinds()...)
	if err != nil {
		return nil, err
	}
	to := from
	if o.Out != "" {
		if to, err = ref.Parse(o.Out, Kinds()...); err != nil {
			return nil, err
		}
		if err := leadsTo(&from, to); err != nil {
			return nil, fmt.Errorf("%s: want a target %w %s", o.Out, err, target)
		}
	}
	report, err := run(from, to, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	report.Target, report.Out = target, target
	if o.Out != "" {
		report.Out = o.Out
	}
	return report, nil
}

func (o *Options) check() error {
	switch o.Mode {
	case Permitted, Strip:
		return nil
	case Launcher, Auto:
		if o.Launcher == nil || o.Mode == Auto && o.Choose == nil {
			return fmt.Errorf("mode %s needs launchers, and %s a choice", o.Mode, Auto)
		}
		return nil
	}
	return fmt.Errorf("mode %q: want %s, %s, %s or %s", o.Mode, Auto, Permitted, Launcher, Strip)
}

func run(from, to ref.Ref, o Options) (_ *Report, err error) {
	inPlace := from.Kind == to.Kind && (from.Path == to.Path || from.Kind != ref.Registry && store.Same(from.Path, to.Path))
	s, err := store.Open(from, inPlace && !o.DryRun, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	f := newFixer(s, o)
	f.reference = from.String()
	f.unlisted = from.Kind == ref.Registry || to.Kind == ref.Registry
	defer f.close()
	if f.catalog, err = catalog.Open(s, from); err != nil {
		return nil, err
	}
	f.report.Warnings = append(f.report.Warnings, f.catalog.Notes...)
	f.report.Skipped = append(f.report.Skipped, f.catalog.Skipped...)
	if err := f.checkOut(to); err != nil {
		return nil, err
	}
	if err := f.fixLayers(); err != nil {
		return nil, err
	}
	changes := f.documents()
	if o.DryRun || len(changes) == 0 && to == from {
		return f.report, nil
	}
	return f.report, f.write(to, changes)
}

func newFixer(s store.Store, o Options) *fixer {
	f := &fixer{
		store: s, options: o, reader: layer.NewReader(o.Cache, o.Progress, limit.Listed), layers: map[*catalog.Blob]*fixedLayer{}, listed: map[*catalog.Document]bool{},
		report: &Report{DryRun: o.DryRun, Files: []FileChange{}, Blobs: []BlobChange{}, Warnings: []string{}, Skipped: []string{}},
	}
	f.options.Files = nil // the caller's stay as they are
	for _, name := range o.Files {
		f.options.Files = append(f.options.Files, path.Clean("/"+name))
	}
	if o.Launcher != nil {
		f.launcherOf, f.options.Launcher = o.Launcher, f.countedLauncher
	}
	return f
}

// countedLauncher bounds memory, which all launchers are in until they are written.
func (f *fixer) countedLauncher(arch string) ([]byte, error) {
	if err := limit.Launchers.Check(f.launchers.Add(1)); err != nil {
		return nil, err
	}
	return f.launcherOf(arch)
}

// leadsTo says what is wrong with a place for the result, as the end of a message.
// A layout that comes out of a registry has the tag that is wanted for it.
func leadsTo(from *ref.Ref, to ref.Ref) error {
	switch {
	case from.Kind == ref.Registry && to.Kind == ref.Registry:
	case from.Kind == ref.Registry && to.Kind == ref.Layout:
		if to.Tag != "" {
			from.Tag = to.Tag
		}
	case from.Kind == ref.Layout && to.Kind == ref.Registry:
	case from.Kind != to.Kind:
		return errors.New("of the same kind as")
	case to.Tag != "" && to.Tag != from.Tag:
		return errors.New("with the same tag as")
	}
	return nil
}

// fixer is one run.
type fixer struct {
	reference string
	store     store.Store
	catalog   *catalog.Catalog
	reader    *layer.Reader
	// launcherOf is what the options say, and launchers how often it was asked.
	launcherOf func(arch string) ([]byte, error)
	launchers  atomic.Int64
	options    Options
	report     *Report

	layers   map[*catalog.Blob]*fixedLayer
	mu       sync.Mutex
	closers  []func() error
	unlisted bool                       // the index is not part of the target: capwise made it
	listed   map[*catalog.Document]bool // those whose changes are in the report
}

func (f *fixer) close() {
	for _, c := range f.closers {
		_ = c() // files for the time being, which are removed
	}
}

func (f *fixer) warn(format string, args ...any) {
	f.report.Warnings = append(f.report.Warnings, fmt.Sprintf(format, args...))
}
