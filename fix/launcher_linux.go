package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/launch"
)

// Launcher puts a launcher in the place of a program that cannot raise its
// capabilities by itself: the program moves beside it, to a name that ends in
// [TargetSuffix], and carries no capabilities any more, while the launcher carries
// them as permitted only, and the program's owner and mode. launcher is the
// launcher's program for the architecture, as package launch wants it.
//
// Who starts the file meanwhile gets the one or the other. A crash leaves the
// program as it was, or the launcher in its place; then, at worst, the program
// beside it still carries its capabilities, which a second call puts right.
//
// A program that a launcher could not start safely, of which there are hard links
// or that has set-id bits, is refused. The error is an [*fs.PathError].
func Launcher(path string, launcher []byte, dry bool) (Change, error) {
	path, err := realPath(path)
	if err != nil {
		return Change{}, err
	}
	i := install{Program: Program{Path: path}, launcher: launcher}
	c, err := i.run(dry)
	if err != nil {
		return Change{}, &fs.PathError{Op: "put a launcher before", Path: path, Err: cause(err)}
	}
	return c, nil
}

// realPath resolves the symbolic links of the folder, and none of the file.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// install is a launcher on its way in.
type install struct {
	Program
	launcher []byte
	stat     syscall.Stat_t
	config   launch.Config
}

func (i *install) run(dry bool) (Change, error) {
	if done, err := i.installed(dry); done || err != nil {
		return Change{}, err
	}
	if err := i.inspect(); err != nil {
		return Change{}, err
	}
	c := i.Change()
	if dry {
		return c, nil
	}
	tmp, err := i.write()
	if err != nil {
		return c, err
	}
	// From here on both names lead to the program, then one to the launcher.
	if err := os.Link(i.Path, i.Target()); err != nil {
		return c, errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, i.Path); err != nil {
		return c, errors.Join(err, os.Remove(tmp), os.Remove(i.Target()))
	}
	return c, errors.Join(filecap.Remove(i.Target()), syncFolder(filepath.Dir(i.Path)))
}

// installed reports whether the file is a launcher for its target already, and
// finishes what a crash has left undone.
func (i *install) installed(dry bool) (bool, error) {
	content, err := os.ReadFile(i.Path)
	if err != nil {
		return false, err
	}
	done, err := i.Launched(content)
	if !done || err != nil || dry {
		return done, err
	}
	return true, filecap.Remove(i.Target())
}

// inspect reads what there is, and refuses what a launcher does no good to.
func (i *install) inspect() error {
	if err := syscall.Lstat(i.Path, &i.stat); err != nil {
		return err
	}
	var err error
	if i.Caps, err = filecap.Get(i.Path); err != nil {
		return err
	}
	i.Owner, i.Links = i.stat.Uid, int(i.stat.Nlink)-1
	i.SetID = i.stat.Mode&(syscall.S_ISUID|syscall.S_ISGID) != 0
	_, there := os.Lstat(i.Target())
	i.Taken = there == nil
	if i.config, err = i.Config(); err != nil {
		return err
	}
	if err := i.config.Check(i.Path); err != nil {
		return fmt.Errorf("the launcher would refuse to start it: %w", err)
	}
	return nil
}

// write makes the complete launcher under a name of its own.
func (i *install) write() (name string, err error) {
	stamped, err := launch.Stamp(i.launcher, i.config)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(i.Path), "."+filepath.Base(i.Path)+TargetSuffix+"-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(stamped)
	// In this order: a change of owner takes capabilities away.
	err = errors.Join(err, f.Chown(int(i.stat.Uid), int(i.stat.Gid)), f.Chmod(fs.FileMode(i.stat.Mode&0o777)), f.Sync(), f.Close())
	if err == nil {
		err = filecap.Set(f.Name(), i.LauncherCaps())
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
