package fix

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/launch"
)

// maxLaunchers bounds memory: that many programs of one layer get a launcher.
var maxLaunchers = int(limit.LayerLaunchers.Most)

// maxName is NAME_MAX of Linux: how long the name of a file may be.
const maxName = 255

// launched reports whether the entry is a launcher already.
func (l *layer) launched(c *capable) (bool, error) {
	content := l.contentOf(c)
	if content == nil {
		return false, nil
	}
	return filefix.Program{Path: c.path}.Launched(content)
}

// putLauncher returns the edit that puts a launcher before the program: its entry
// comes before that of the program, which gets another name.
func (f *fixer) putLauncher(l *layer, c *capable) (edit, FileChange, error) {
	config, program, err := f.launcherFor(l, c)
	if err != nil {
		return edit{}, FileChange{}, err
	}
	launcher, err := f.options.Launcher(program.Arch)
	if err != nil {
		return edit{}, FileChange{}, err
	}
	if launcher, err = launch.Stamp(launcher, config); err != nil {
		return edit{}, FileChange{}, err
	}
	now, err := c.behind(launcher, config, f.options.Owners == filefix.ChownRoot)
	if err != nil {
		return edit{}, FileChange{}, err
	}
	e := difference(c.entry.Offset, c.entry.Raw, now)
	placed := program.Placed(config)
	return e, FileChange{
		Path: c.path, Action: Launcher, Old: c.caps.String(), New: filefix.LauncherCaps(config.Prefer).String() + " on a launcher",
		Target: config.Target, Arch: program.Arch, Owner: &placed.Owner, Notes: placed.Notes,
		Offset: e.offset, Bytes: int64(len(e.new)),
	}, nil
}

// launcherFor says what launcher the program gets, or why none.
func (f *fixer) launcherFor(l *layer, c *capable) (launch.Config, filefix.Program, error) {
	p := filefix.Program{Path: c.path, Caps: c.caps, Owner: uint32(c.entry.UID), Mode: uint32(c.entry.Mode & 0o7777)}
	switch {
	case f.mentioned(l, p.Target()):
		return launch.Config{}, p, fmt.Errorf("a layer has %s already", p.Target())
	case c.target != "":
		return launch.Config{}, p, fmt.Errorf("it is a hard link to %s", c.target)
	case !c.regular():
		return launch.Config{}, p, errors.New("it is not a regular file, or a sparse one")
	case c.entry.UID < 0 || c.entry.UID > math.MaxUint32:
		return launch.Config{}, p, fmt.Errorf("user %d owns it, whom Linux does not have", c.entry.UID)
	case c.hasList():
		return launch.Config{}, p, errors.New("it has an access control list, by which others may write to it whatever its mode says")
	case len(path.Base(p.Target())) > maxName:
		return launch.Config{}, p, fmt.Errorf("the name %s would be too long", p.Target())
	case !c.seenAs[c.path]:
		return launch.Config{}, p, errors.New("it is seen through a hard link only, under another name")
	}
	p.Links = len(c.seenAs) - 1
	config, err := f.configFor(&p, c)
	if err != nil {
		return config, p, err
	}
	if err := f.checkPath(l, c, config); err != nil {
		return config, p, fmt.Errorf("the launcher would refuse to start it: %w", err)
	}
	return config, p, nil
}

// hasList reports whether engines give the file an access control list. The launcher
// would see it in the mode, and start nothing.
func (c *capable) hasList() bool {
	return slices.ContainsFunc(c.entry.Records, func(r tarwalk.Record) bool {
		return r.Key == "SCHILY.xattr.system.posix_acl_access" && len(r.Value) > 0
	})
}

// configFor reads the program, and returns what its launcher is made for.
func (f *fixer) configFor(p *filefix.Program, c *capable) (launch.Config, error) {
	if err := p.Read(c.content); err != nil {
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
func (f *fixer) mentioned(l *layer, name string) bool {
	for _, img := range f.with(l) {
		for _, other := range img.layers {
			if other.has(name) || other.names.whiteouts[other.names.hash(name)] {
				return true
			}
		}
	}
	return false
}

// with returns the images that have the layer.
func (f *fixer) with(l *layer) []*image {
	var out []*image
	for _, img := range f.images {
		if slices.Contains(img.layers, l) {
			out = append(out, img)
		}
	}
	return out
}

// checkPath holds the folders above the program, as far as layers have them, to what
// a launcher wants. Folders that no layer has are made by engines,
// for root alone.
func (f *fixer) checkPath(l *layer, c *capable, config launch.Config) error {
	for _, img := range f.with(l) {
		for dir := c.path; dir != "/"; {
			dir = path.Dir(dir)
			info, there := img.lookup(dir)
			if !there {
				continue
			}
			if err := config.CheckPart(uint32(info.mode), info.uid, false); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
	}
	return nil
}

// lookup returns what a container sees at a path.
func (i *image) lookup(name string) (nameInfo, bool) {
	for _, l := range slices.Backward(i.layers) {
		if info, there := l.names.entries[l.names.hash(name)]; there {
			return info, true
		}
		if l.names.hides(name) {
			break
		}
	}
	return nameInfo{}, false
}

// modeOf returns the mode of an entry as stat(2) would.
func modeOf(e *tarwalk.Entry) uint32 {
	kind := uint32(0o100000)
	switch e.Type {
	case tarwalk.TypeDir:
		kind = 0o040000
	case tarwalk.TypeSymlink:
		kind = 0o120000
	case '3', '4', '6': // devices and FIFOs
		kind = 0o010000
	}
	return kind | uint32(e.Mode&0o7777)
}

// ownerOf returns the owner of an entry; for a number that Linux does not have, one
// that is nobody's.
func ownerOf(e *tarwalk.Entry) uint32 {
	if e.UID < 0 || e.UID > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(e.UID)
}

// behind returns what stands for the entry's headers: the launcher, with its own,
// and the program's under its new name and with the attribute that a program behind a
// launcher has. rootOnly makes both root's.
func (c *capable) behind(launcher []byte, config launch.Config, rootOnly bool) ([]byte, error) {
	attribute, err := filefix.LauncherCaps(config.Prefer).MarshalBinary()
	if err != nil {
		return nil, err
	}
	out, err := c.entry.Rewritten(tarwalk.Rewrite{
		Size: int64(len(launcher)), Drop: func(key string) bool { return !ofTheInode[key] },
		Add: []tarwalk.Record{{Key: schily, Value: attribute}}, RootOnly: rootOnly,
	})
	if err != nil {
		return nil, err
	}
	change := tarwalk.Rewrite{Suffix: launch.TargetSuffix, Size: c.entry.Size, Drop: isAttribute, RootOnly: rootOnly}
	if config.By == launch.File {
		carries, err := filefix.TargetCaps(config).MarshalBinary()
		if err != nil {
			return nil, err
		}
		change.Add = []tarwalk.Record{{Key: schily, Value: carries}}
	}
	moved, err := c.entry.Rewritten(change)
	if err != nil {
		return nil, err
	}
	padding := make([]byte, -len(launcher)&511)
	return bytes.Join([][]byte{out, launcher, padding, moved}, nil), nil
}

// ofTheInode are the PAX records that a launcher has from its program: those of
// name, owner and times. Others are about the content, such as a signature of it.
var ofTheInode = map[string]bool{
	"path": true, "uid": true, "gid": true, "uname": true, "gname": true,
	"mtime": true, "atime": true, "ctime": true, "hdrcharset": true,
}
