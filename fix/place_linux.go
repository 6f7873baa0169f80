package fix

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/launch"
)

// errBusy says that another run is at work on the same program.
var errBusy = errors.New("another run of capwise is at work on it")

// place makes the launcher and moves both where they belong.
func (i *install) place() error {
	launcher, err := i.write()
	if err != nil {
		return err
	}
	if err := i.alone(launcher); err != nil {
		return errors.Join(err, launcher.Discard())
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

// alone holds that no other run is at work on the program. Each has its launcher
// locked before it looks for those of others, and until that has the program's
// name: so of two at once one sees the other, or each does. What was found before
// that has to be so still.
func (i *install) alone(own *held.Temporary) error {
	err := temporaries(i.file, func(f *held.File) error {
		if f.Same(own.Held()) {
			return nil
		}
		free, err := f.Lock()
		if err == nil && !free {
			err = errBusy
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := i.file.Still(); err != nil {
		return err
	}
	there, err := i.lookAtTarget()
	if err == nil && there != i.there {
		err = errChanged
	}
	return err
}

// moveBack takes the program's second name, or the copy, away, if this run put it
// there. The last name of a program stays, whatever has become of the other.
func (i *install) moveBack(program *held.File) error {
	if !i.copies() && (i.there == half || program.Links() < 2) {
		return program.Close()
	}
	return errors.Join(program.Remove(), program.Close())
}

// tmpPrefix begins the names of temporary files for a program.
func tmpPrefix(name string) string { return "." + name + launch.TargetSuffix + "-" }

// linkName is the program's second name on its way to where the launcher looks.
func linkName(name string) string { return tmpPrefix(name) + "link" }

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
	name := i.file.Name() + launch.TargetSuffix
	switch {
	case i.copies():
		return i.copyProgram(name)
	case i.there == half:
		return i.file.Folder().Open(name)
	case i.there == left: // over what is there
		link, err := i.file.Link(linkName(i.file.Name()))
		if err != nil {
			return nil, err
		}
		if err := link.Rename(name); err != nil {
			return nil, errors.Join(err, link.Remove(), link.Close())
		}
		return link, nil
	default:
		return i.file.Link(name)
	}
}

// copies reports whether the program behind the launcher will be a copy: where others
// could write to the program, and where it has more names, which keep its capabilities.
func (i *install) copies() bool {
	return i.others > 0 || i.Owners == ChownRoot && i.file.OthersCanWrite()
}

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
	_ = t.File.Close() // it is on disk
	return t.Held(), nil
}

// removeStale removes what a run that was killed has left beside the program:
// temporary files that nobody has locked.
func removeStale(f *held.File) error {
	return temporaries(f, func(old *held.File) error {
		free, err := old.Lock()
		if err == nil && free {
			err = old.Remove()
		}
		return err
	})
}

// temporaries calls do for the temporary files of the caller's, or of the program's
// owner, that lie beside the program.
func temporaries(f *held.File, do func(*held.File) error) error {
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
			err = do(old)
		}
		if err = errors.Join(err, old.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, held.ErrSwapped) {
			return err
		}
	}
	return nil
}
