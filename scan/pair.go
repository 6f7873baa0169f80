package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/launch"
)

// Beside returns the attribute, nil for none, of another file in the folder of one, and
// what its program says, for as long as the classification takes. The error wraps
// [fs.ErrNotExist] if there is none.
type Beside func(name string) (attribute []byte, program Program, err error)

// behind looks for the launcher of a file that can be the program of one.
func (f *Finding) behind(name string, beside Beside) error {
	launcher, suffixed := strings.CutSuffix(name, launch.TargetSuffix)
	if !suffixed || beside == nil {
		return nil
	}
	_, program, err := beside(launcher)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, held.ErrNotRegular) {
		f.Evidence = "left from a launcher that is gone, " + launcher
		return nil
	}
	if err != nil {
		return err
	}
	other, err := program()
	if err == nil && other.Launches != nil && path.Base(other.Launches.Target) == name {
		f.Evidence = "started by " + launcher + ", the launcher of capwise"
	}
	return err
}

// launcher classifies a launcher by what is at the name of its program.
func (f *Finding) launcher(config launch.Config, caps filecap.Caps, beside Beside) error {
	attribute, _, err := beside(path.Base(config.Target))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, held.ErrNotRegular) {
		f.broken("its program is not there: it starts nothing")
		return nil
	}
	if err != nil {
		return err
	}
	behind := filecap.Caps{}
	if attribute != nil {
		if behind, err = filecap.Parse(attribute); err != nil {
			f.broken("its program does not start: " + err.Error())
			return nil //nolint:nilerr // that is the finding
		}
	}
	switch {
	case caps.Effective:
		f.broken("the effective bit keeps it from starting where a capability is dropped")
	case behind.Permitted != 0 && behind.Effective:
		f.broken(fmt.Sprintf("its program carries %s, and does not start where a capability is dropped", behind))
	case config.By == launch.File && (!behind.Effective || !behind.Inheritable.Contains(config.Prefer)):
		f.broken("its program carries no capability any more: it was written to, or replaced")
	}
	return nil
}

func (f *Finding) broken(why string) {
	f.Class, f.Evidence = Broken, f.Evidence+"; "+why+"; capwise fix says what to do"
}

// besideFile is a [Beside] for a file of this machine.
func besideFile(file *held.File) Beside {
	return func(name string) ([]byte, Program, error) {
		other, err := file.Beside(name)
		if err != nil {
			return nil, nil, err
		}
		attribute, err := other.Attribute()
		if err != nil {
			return nil, nil, err
		}
		content, err := other.Content()
		return attribute, Contents(content), err
	}
}
