package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"

	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/launch"
)

// maxLaunchers bounds memory: that many programs of one layer get a launcher.
var maxLaunchers = int(limit.LayerLaunchers.Most)

// maxName is NAME_MAX of Linux: how long the name of a file may be.
const maxName = 255

// launched reports whether the entry is a launcher already.
func (l *fixedLayer) launched(e *entry) (bool, error) {
	content := l.contentOf(e)
	if content == nil {
		return false, nil
	}
	return filefix.Program{Path: e.Path}.Launched(content)
}

// putLauncher returns the edit that puts a launcher before the program: its entry
// comes before that of the program, which gets another name.
func (f *fixer) putLauncher(l *fixedLayer, e *entry) (layer.Edit, FileChange, error) {
	config, program, err := f.launcherFor(l, e)
	if err != nil {
		return layer.Edit{}, FileChange{}, err
	}
	launcher, err := f.options.Launcher(program.Arch)
	if err != nil {
		return layer.Edit{}, FileChange{}, err
	}
	if launcher, err = launch.Stamp(launcher, config); err != nil {
		return layer.Edit{}, FileChange{}, err
	}
	edit, err := e.Behind(launcher, config, f.options.Owners == filefix.ChownRoot)
	if err != nil {
		return layer.Edit{}, FileChange{}, err
	}
	placed := program.Placed(config)
	return edit, FileChange{
		Path: e.Path, Action: Launcher, Old: e.caps.String(), New: filefix.LauncherCaps(config.Prefer).String() + " on a launcher",
		Target: config.Target, Arch: program.Arch, Owner: &placed.Owner, Notes: placed.Notes,
		Offset: edit.Offset, Bytes: int64(len(edit.New)),
	}, nil
}

// launcherFor says what launcher the program gets, or why none.
func (f *fixer) launcherFor(l *fixedLayer, e *entry) (launch.Config, filefix.Program, error) {
	p := filefix.Program{Path: e.Path, Caps: e.caps, Owner: uint32(e.UID), Mode: uint32(e.Mode & 0o7777)}
	switch {
	case f.mentioned(l, p.Target()):
		return launch.Config{}, p, fmt.Errorf("a layer has %s already", p.Target())
	case e.Target != "":
		return launch.Config{}, p, fmt.Errorf("it is a hard link to %s", e.Target)
	case !e.Regular():
		return launch.Config{}, p, errors.New("it is not a regular file, or a sparse one")
	case e.UID < 0 || e.UID > math.MaxUint32:
		return launch.Config{}, p, fmt.Errorf("user %d owns it, whom Linux does not have", e.UID)
	case e.HasList():
		return launch.Config{}, p, errors.New("it has an access control list, by which others may write to it whatever its mode says")
	case len(path.Base(p.Target())) > maxName:
		return launch.Config{}, p, fmt.Errorf("the name %s would be too long", p.Target())
	case !e.seenAs[e.Path]:
		return launch.Config{}, p, errors.New("it is seen through a hard link only, under another name")
	}
	p.Links = len(e.seenAs) - 1
	config, err := f.configFor(&p, e)
	if err != nil {
		return config, p, err
	}
	if err := f.checkPath(l, e, config); err != nil {
		return config, p, fmt.Errorf("the launcher would refuse to start it: %w", err)
	}
	return config, p, nil
}

// configFor reads the program, and returns what its launcher is made for.
func (f *fixer) configFor(p *filefix.Program, e *entry) (launch.Config, error) {
	if err := p.Read(e.Content); err != nil {
		return launch.Config{}, err
	}
	if f.options.Mode == Auto {
		if err := p.CheckAuto(f.options.NoSecureExecution); err != nil {
			return launch.Config{}, err
		}
	}
	return p.Config(f.options.Owners)
}

// mentioned reports whether a layer of an image with this one has the path, or
// removes it.
func (f *fixer) mentioned(l *fixedLayer, name string) bool {
	for _, img := range f.with(l) {
		if slices.ContainsFunc(f.of(img), func(other *fixedLayer) bool { return other.facts.Mentions(name) }) {
			return true
		}
	}
	return false
}

// with returns the images that have the layer.
func (f *fixer) with(l *fixedLayer) []*catalog.Image {
	var out []*catalog.Image
	for _, img := range f.catalog.Images {
		if slices.Contains(img.Layers, l.blob) {
			out = append(out, img)
		}
	}
	return out
}

// checkPath holds the folders above the program, as far as layers have them, to what
// a launcher wants. Folders that no layer has are made by engines,
// for root alone.
func (f *fixer) checkPath(l *fixedLayer, e *entry, config launch.Config) error {
	for _, img := range f.with(l) {
		stack := stackOf(f.of(img))
		for dir := e.Path; dir != "/"; {
			dir = path.Dir(dir)
			info, there := stack.Lstat(dir)
			if !there {
				continue
			}
			if err := config.CheckPart(statMode(info.Mode), info.UID, false); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
	}
	return nil
}

// statMode returns a mode as stat(2) would.
func statMode(m fs.FileMode) uint32 {
	out := uint32(m.Perm())
	switch m.Type() {
	case 0:
		out |= 0o100000
	case fs.ModeDir:
		out |= 0o040000
	case fs.ModeSymlink:
		out |= 0o120000
	default:
		out |= 0o010000 // a device or a FIFO: whichever, it is none of those above
	}
	for bit, is := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&is != 0 {
			out |= bit
		}
	}
	return out
}
