package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/scan"
)

// File changes the file, unless it is to be a dry run, and says what it did. A file
// without capabilities needs no change. The caller needs CAP_SETFCAP over the file,
// and for a launcher to write to its folder.
//
// The error is an [*fs.PathError]; it wraps [ErrForeign], [ErrExposed], [ErrOwner], [ErrGains],
// [filecap.ErrFormat] (Strip takes those too) or the kernel's.
func File(f *held.File, o Options) (Change, error) {
	j := job{Options: o, file: f}
	c, err := j.run()
	if err != nil {
		err = &fs.PathError{Op: "fix", Path: f.Path, Err: cause(err)}
	}
	return c, err
}

// cause takes the path off an error that has one, since it is said already.
func cause(err error) error {
	if named, ok := err.(*fs.PathError); ok { //nolint:errorlint // an error that wraps one says more
		return fmt.Errorf("%s: %w", named.Op, named.Err)
	}
	return err
}

// job is one file on its way.
type job struct {
	Options
	file *held.File
	old  filecap.Caps
	auto bool // the mode was chosen
}

func (j *job) run() (Change, error) {
	old, err := j.file.Caps()
	switch {
	case errors.Is(err, filecap.ErrNone), errors.Is(err, syscall.ENOTSUP):
		return Change{Action: Keep}, nil
	case errors.Is(err, filecap.ErrFormat) && j.Mode == Strip:
		return j.strip("malformed")
	case errors.Is(err, syscall.EOVERFLOW), err == nil && old.Foreign():
		return Change{}, ErrForeign
	case err != nil:
		return Change{}, err
	}
	j.old = old
	if OnlyInheritable(old) && j.Mode != Strip {
		return Change{Action: Keep, Old: old.String(), New: old.String()}, nil
	}
	if done, c, err := j.pair(); done || err != nil {
		return c, err
	}
	if err := j.choose(); err != nil {
		return Change{}, err
	}
	switch j.Mode {
	case Strip:
		return j.strip(old.String())
	case Permitted:
		return j.permit()
	case Launcher:
		return j.launch()
	default:
		return Change{Action: Keep, Old: old.String(), New: old.String()}, nil
	}
}

// choose replaces Auto by what the file needs.
func (j *job) choose() error {
	if j.Mode != Auto {
		return nil
	}
	j.auto = true
	finding, err := scan.ClassifyFile(j.file)
	if err != nil {
		return err
	}
	j.Mode, err = For(finding)
	return err
}

// checkPlace refuses where others could put another file there, and always where they
// could have led to a file that is not in the tree.
func (j *job) checkPlace() error {
	if led := j.file.Folder().Led(); led != "" {
		return fmt.Errorf("%w: %s that somebody else could have put there; name the file that it leads to", ErrExposed, led)
	}
	name := j.file.Name()
	if err := checkNames(j.file, name+launch.TargetSuffix, linkName(name)); err != nil {
		return err
	}
	folder := j.file.Exposed()
	if folder == "" || j.TrustTree {
		return nil
	}
	return fmt.Errorf("%w: %s belongs to somebody else, or is writable by others; --trust-tree changes it all the same", ErrExposed, folder)
}

// checkNames refuses a file that others could have put where it is as one more name of
// a file elsewhere: a hard link to one of the system, where fs.protected_hardlinks is 0.
func checkNames(f *held.File, known ...string) error {
	if !f.Folder().OthersCanAdd() {
		return nil
	}
	others, err := f.OtherNames(known...)
	if err == nil && others > 0 {
		err = fmt.Errorf("%w: %s has %d other names, and somebody else could have given it this one; name the file where nobody could", ErrExposed, f.Name(), others)
	}
	return err
}

func (j *job) strip(old string) (Change, error) {
	c := Change{Action: Strip, Old: old}
	if err := j.checkPlace(); err != nil || j.DryRun {
		return c, err
	}
	return c, j.file.RemoveCaps()
}

// permit takes the effective bit off. Where somebody could rewrite the program,
// which takes its capabilities away, he is kept from it while they are read and set:
// or what he wrote would get them back.
func (j *job) permit() (c Change, err error) {
	now := j.old
	now.Effective = false
	c = Change{Action: Permitted, Old: j.old.String(), New: now.String()}
	if !c.Needed() {
		return Change{Action: Keep, Old: c.Old, New: c.Old}, nil
	}
	if err := j.checkPlace(); err != nil || j.DryRun {
		return c, err
	}
	if !j.file.OthersCanWrite() {
		return c, j.file.SetCaps(now)
	}
	thaw, err := j.file.Freeze()
	if err != nil {
		return c, fmt.Errorf("%w, and others than root may write to it", err)
	}
	defer func() { err = errors.Join(err, thaw()) }()
	is, err := j.file.Caps()
	if err == nil && is != j.old {
		err = errChanged
	}
	if err != nil {
		return c, err
	}
	return c, j.file.SetCaps(now)
}

// errChanged says that the file is not the one that was classified.
var errChanged = errors.New("it was written to, or its capabilities were changed, meanwhile")
