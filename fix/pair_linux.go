package fix

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/launch"
)

// pair looks whether the file is a launcher already. Then nothing is to be done but to
// finish what a crash, or another tool, has left undone. done is false for any other
// file.
func (j *job) pair() (done bool, c Change, err error) {
	if j.Mode == Strip {
		return false, c, nil
	}
	config, err := launcherIn(j.file)
	switch {
	case err == nil:
		c, err = j.finish(config)
		return true, c, err
	case !errors.Is(err, launch.ErrNoLauncher):
		return true, c, err
	}
	return false, c, nil
}

// launcherIn is launcherOf for a file.
func launcherIn(f *held.File) (launch.Config, error) {
	content, err := f.Content()
	if err != nil {
		return launch.Config{}, err
	}
	return launcherOf(content)
}

// finish gives a launcher, and the program behind it, the capabilities that they
// should have. What they do not carry they do not get, whatever the launcher says that
// it was made for: whoever may write to it can make it say so, and a shared mapping
// lets him keep what it carries. A program that has none any more gets none: it may
// have been written to since.
func (j *job) finish(config launch.Config) (Change, error) {
	c := Change{Action: Keep, Old: j.old.String(), New: j.old.String()}
	if config.Target != j.file.RealPath()+launch.TargetSuffix {
		return c, fmt.Errorf("it is a launcher, for %s", config.Target)
	}
	target, err := j.file.Folder().Open(j.file.Name() + launch.TargetSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("it is a launcher, and its program, %s, is gone: install the program again, or remove both", config.Target)
	}
	if err != nil {
		return c, err
	}
	err = j.finishPair(&c, target, config)
	return c, errors.Join(err, target.Close())
}

func (j *job) finishPair(c *Change, target *held.File, config launch.Config) error {
	wants := LauncherCaps(config.Prefer)
	behind, err := target.Caps()
	switch {
	case errors.Is(err, filecap.ErrNone):
		behind = filecap.Caps{}
		if config.By == launch.File {
			return fmt.Errorf("its program, %s, carries no capability any more: it was written to, or replaced; see what it is, then: setcap %s %s", config.Target, TargetCaps(config), config.Target)
		}
	case err != nil:
		return err
	case behind.Permitted != 0 && behind.Permitted != wants.Permitted:
		return fmt.Errorf("its program, %s, carries %s, which is not what the launcher gives", config.Target, behind)
	}
	unfinished := behind.Permitted != 0
	if j.old == wants && !unfinished {
		return nil
	}
	if missing := wants.Permitted &^ j.old.Permitted; missing != 0 {
		return fmt.Errorf("%w: it is a launcher that says it was made for %s, and does not carry that", ErrGains, missing)
	}
	c.Action, c.New = Launcher, wants.String()+" on a launcher"
	if unfinished {
		c.Old = behind.String() + " behind a launcher"
	}
	if err := j.checkPlace(); err != nil {
		return err
	}
	if err := checkNames(target); err != nil || j.DryRun {
		return err
	}
	return j.complete(target, config, behind)
}

// complete makes the changes. Whoever has put the launcher in place has it locked
// until he has done so himself.
func (j *job) complete(target *held.File, config launch.Config, behind filecap.Caps) error {
	free, err := j.file.Lock()
	if err == nil && !free {
		err = errBusy
	}
	if err == nil && behind.Permitted != 0 {
		err = j.handOver(target, config, behind)
	}
	if err != nil {
		return err
	}
	return j.file.SetCaps(LauncherCaps(config.Prefer))
}

// handOver gives the program behind a launcher what it carries there, in the place
// of what it carried itself.
func (j *job) handOver(program *held.File, config launch.Config, carried filecap.Caps) error {
	if config.By == launch.Ambient {
		return program.RemoveCaps()
	}
	if program.OthersCanWrite() && j.Owners != MayHaveIt {
		return fmt.Errorf("%s: %w", program.Path, ErrOwner)
	}
	is, err := program.Caps()
	if err == nil && is != carried {
		err = errChanged
	}
	if err != nil {
		return err
	}
	return program.SetCaps(TargetCaps(config))
}
