package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/launch"
)

// launch puts a launcher in the place of the program: the program moves beside it,
// to a name that ends in [launch.TargetSuffix], while the launcher carries the
// capabilities as permitted only, and the program's mode.
//
// Who starts the file meanwhile gets the one or the other. A crash leaves the
// program as it was, or the launcher in its place; then, at worst, the program
// beside it still carries its capabilities, or a temporary file is left, which a
// second call puts right.
func (j *job) launch() (Change, error) {
	i := install{job: j}
	if err := j.checkPlace(); err != nil {
		return Change{Action: Launcher, Old: j.old.String()}, err
	}
	if !j.DryRun {
		if err := removeStale(j.file); err != nil {
			return Change{}, err
		}
	}
	c, err := i.inspect()
	if err != nil || j.DryRun {
		return c, err
	}
	return c, i.place()
}

// install is a launcher on its way in.
type install struct {
	*job
	program Program
	config  launch.Config
	stamped []byte
	// others is how many names the program keeps besides, which are hard links to it.
	others int
	there  beside
}

// beside is what lies where the program moves.
type beside string

const (
	nothing beside = ""
	// left is a file that is left from a launcher that is gone.
	left beside = "left"
	// half is the program itself, put there by a run that was killed.
	half beside = "half"
)

// inspect finds out all there is to know, and refuses what a launcher does no good
// to.
func (i *install) inspect() (Change, error) {
	c := Change{Action: Launcher, Old: i.old.String()}
	content, err := i.file.Content()
	if err != nil {
		return c, err
	}
	i.program = Program{
		Path: i.file.RealPath(), Caps: i.old, Owner: i.file.Owner(), Mode: i.file.Mode(),
	}
	i.others = i.file.Links() - 1
	if err := i.program.Read(content); err != nil {
		return c, err
	}
	if err := i.program.CheckAuto(i.NoSecureExecution || !i.auto); err != nil {
		return c, err
	}
	if i.there, err = i.lookAtTarget(); err != nil {
		return c, err
	}
	if i.there == half {
		i.others--
	}
	if i.config, err = i.program.Config(i.Owners); err != nil {
		return c, err
	}
	if err := i.checkTarget(); err != nil {
		return c, err
	}
	launcher, err := i.Launcher(i.program.Arch)
	if err != nil {
		return c, err
	}
	if i.stamped, err = launch.Stamp(launcher, i.config); err != nil {
		return c, err
	}
	c.New, c.Placed = LauncherCaps(i.config.Prefer).String()+" on a launcher", i.program.Placed(i.config)
	if i.there == left {
		c.Placed.Notes = append(c.Placed.Notes, i.program.Target()+", left from a launcher that is gone, is replaced")
	}
	if i.others > 0 {
		c.Placed.Notes = append(c.Placed.Notes, fmt.Sprintf("the program is a copy: its other names (hard links: %d) stay as they are, with %s", i.others, i.old))
	}
	if note := profiled(appArmor, i.program.Path); note != "" {
		c.Placed.Notes = append(c.Placed.Notes, note)
	}
	return c, nil
}

// checkTarget holds the program to what the launcher will want of it.
func (i *install) checkTarget() error {
	err := i.config.Check(i.file.RealPath())
	if i.copies() { // the copy itself will pass
		err = i.config.CheckFolder(i.file.Folder().Path())
	}
	if err != nil {
		return fmt.Errorf("the launcher would refuse to start it: %w", err)
	}
	return nil
}

// lookAtTarget looks at what lies where the program moves.
func (i *install) lookAtTarget() (beside, error) {
	name := i.file.Name() + launch.TargetSuffix
	there, err := i.file.Folder().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return nothing, err
	}
	defer func() { _ = there.Close() }() // opened for reading
	if i.file.Same(there) {
		return half, nil
	}
	caps, err := there.Caps()
	switch {
	case err != nil || caps.Permitted != 0 || caps.Inheritable == 0 || !caps.Effective || there.OthersCanWrite():
		return nothing, fmt.Errorf("%s is there already, and nothing shows that a launcher left it: move it away if nobody needs it", i.program.Target())
	case there.Links() != 1:
		return nothing, fmt.Errorf("%s is there already, under %d names: move it away if nobody needs it", i.program.Target(), there.Links())
	}
	other, err := launcherFor(i.file.Folder(), i.program.Target(), tmpPrefix(i.file.Name()))
	if err == nil && other != "" {
		err = fmt.Errorf("%s is in use: %s is a launcher for it; move that to %s, or remove both", i.program.Target(), other, i.file.Name())
	}
	return left, err
}

// launcherFor returns the name of a launcher for the target in the folder, or "";
// not of one that is on its way in, whose name begins so.
func launcherFor(d *held.Folder, target, notYet string) (string, error) {
	names, err := d.Names()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if strings.HasPrefix(name, notYet) {
			continue
		}
		f, err := d.Open(name)
		if err != nil {
			continue // not a regular file, or gone
		}
		caps, err := f.Caps()
		if err == nil && caps.Permitted != 0 {
			config, err := launcherIn(f)
			if err == nil && config.Target == target {
				return name, f.Close()
			}
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	return "", nil
}
