package fix

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/capwise/capwise/filecap"
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
	// left says that a file is where the program moves, left from a launcher that is
	// gone; half that it is the program itself, put there by a run that was killed.
	left, half bool
}

// inspect finds out all there is to know, and refuses what a launcher does no good
// to.
func (i *install) inspect() (Change, error) {
	c := Change{Action: Launcher, Old: i.old.String()}
	content, err := i.file.Content()
	if err != nil {
		return c, err
	}
	i.program = Program{
		Path: i.file.RealPath(), Caps: i.old, Owner: i.file.Owner(), Mode: i.file.Mode(), Links: i.file.Links() - 1,
	}
	if err := i.program.Read(content); err != nil {
		return c, err
	}
	if err := i.program.CheckAuto(i.NoSecureExecution || !i.auto); err != nil {
		return c, err
	}
	if err := i.lookAtTarget(); err != nil {
		return c, err
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
	if i.left {
		c.Placed.Notes = append(c.Placed.Notes, i.program.Target()+", left from a launcher that is gone, is replaced")
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
func (i *install) lookAtTarget() error {
	name := i.file.Name() + launch.TargetSuffix
	there, err := i.file.Folder().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = there.Close() }() // opened for reading
	if i.file.Same(there) {
		i.half, i.program.Links = true, i.program.Links-1
		return nil
	}
	caps, err := there.Caps()
	switch {
	case err != nil || caps.Permitted != 0 || caps.Inheritable == 0 || !caps.Effective || there.OthersCanWrite():
		return fmt.Errorf("%s is there already, and nothing shows that a launcher left it: move it away if nobody needs it", i.program.Target())
	case there.Links() != 1:
		return fmt.Errorf("%s is there already, under %d names: move it away if nobody needs it", i.program.Target(), there.Links())
	}
	other, err := launcherFor(i.file.Folder(), i.program.Target())
	if err == nil && other != "" {
		err = fmt.Errorf("%s is in use: %s is a launcher for it; move that to %s, or remove both", i.program.Target(), other, i.file.Name())
	}
	i.left = true
	return err
}

// launcherFor returns the name of a launcher for the target in the folder, or "".
func launcherFor(d *held.Folder, target string) (string, error) {
	names, err := d.Names()
	if err != nil {
		return "", err
	}
	for _, name := range names {
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

// place makes the launcher and moves both where they belong.
func (i *install) place() error {
	launcher, err := i.write()
	if err != nil {
		return err
	}
	program, err := i.moveProgram()
	if err != nil {
		return errors.Join(err, launcher.Discard())
	}
	err = i.file.Still()
	if err == nil {
		err = launcher.Held().Rename(i.file.Name())
	}
	if err != nil { // as it was before
		return errors.Join(err, i.moveBack(program), launcher.Discard())
	}
	if i.file.Same(program) {
		err = i.handOver(program, i.config, i.old)
	}
	return errors.Join(err, program.Close(), launcher.Close(), i.file.Folder().Sync())
}

// moveBack takes the program's second name, or the copy, away.
func (i *install) moveBack(program *held.File) error {
	return errors.Join(program.Remove(), program.Close())
}

// tmpPrefix begins the names of temporary files for a program.
func tmpPrefix(name string) string { return "." + name + launch.TargetSuffix + "-" }

// write makes the complete launcher under a name of its own.
func (i *install) write() (_ *held.Temporary, err error) {
	t, err := i.file.Folder().Create(tmpPrefix(i.file.Name()))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Discard())
		}
	}()
	if _, err := t.Write(i.stamped); err != nil {
		return nil, err
	}
	return t, i.dress(t, LauncherCaps(i.config.Prefer))
}

// dress gives a new file owner, mode and capabilities, in this order: a change of
// owner takes capabilities away.
func (i *install) dress(t *held.Temporary, caps filecap.Caps) error {
	err := errors.Join(t.Chown(int(i.config.Owner), int(i.file.Group())), t.Chmod(fs.FileMode(i.program.FinalMode(i.Owners))), t.Sync())
	if err != nil {
		return err
	}
	return t.Held().SetCaps(caps)
}

// moveProgram puts the program where the launcher looks for it: the file itself
// under a second name, or a copy that is root's. A copy is safe from those who have
// the file open.
func (i *install) moveProgram() (*held.File, error) {
	d, name := i.file.Folder(), i.file.Name()+launch.TargetSuffix
	switch {
	case i.copies():
		return i.copyProgram(name)
	case i.half:
	case i.left: // over what is there
		tmp := tmpPrefix(i.file.Name()) + "link"
		if err := i.file.Link(tmp); err != nil {
			return nil, err
		}
		link, err := d.Open(tmp)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(link.Rename(name), link.Close()); err != nil {
			return nil, err
		}
	default:
		if err := i.file.Link(name); err != nil {
			return nil, err
		}
	}
	return d.Open(name)
}

// copies reports whether the program behind the launcher will be a copy.
func (i *install) copies() bool { return i.Owners == ChownRoot && i.file.OthersCanWrite() }

// copyProgram makes the copy. The capabilities are still on the file when it is
// complete, so nobody has written to it meanwhile.
func (i *install) copyProgram(name string) (_ *held.File, err error) {
	t, err := i.file.Folder().Create(tmpPrefix(i.file.Name()))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Discard())
		}
	}()
	content, err := i.file.Content()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(t, io.NewSectionReader(content, 0, math.MaxInt64)); err != nil {
		return nil, err
	}
	if is, err := i.file.Caps(); err != nil || is != i.old {
		return nil, errors.Join(errChanged, err)
	}
	if err := i.dress(t, TargetCaps(i.config)); err != nil {
		return nil, err
	}
	if err := t.Held().Rename(name); err != nil {
		return nil, err
	}
	f, err := i.file.Folder().Open(name)
	return f, errors.Join(err, t.Close())
}

// removeStale removes what a run that was killed has left beside the program:
// temporary files of the caller's that nobody has locked.
func removeStale(f *held.File) error {
	names, err := f.Folder().Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, tmpPrefix(f.Name())) {
			continue
		}
		old, err := f.Folder().Open(name)
		if err != nil {
			continue // not a regular file, or gone
		}
		if int(old.Owner()) == os.Geteuid() || old.Owner() == f.Owner() {
			var free bool
			if free, err = old.Lock(); err == nil && free {
				err = old.Remove()
			}
		}
		if err = errors.Join(err, old.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, held.ErrSwapped) {
			return err
		}
	}
	return nil
}
