// Package fix puts the capabilities of files on this machine right.
//
// [File] changes a file that is held by descriptors (package held), in one of the
// modes. Changing the attribute is one system call, so that a file is either as it
// was or as it is to be; its content, owner, mode, modification time, other
// attributes and hard links stay, and of the inode only the change time moves. A
// launcher is made beside the program, and renamed into its place.
//
// Nobody gains anything: what a change would give to somebody who did not have it
// is refused, with what to do about it ([Options]).
package fix

import (
	"errors"
	"fmt"

	"github.com/capwise/capwise/scan"
)

// Mode says what is to become of a file's capabilities.
type Mode string

// The modes.
const (
	// Auto is what [For] says.
	Auto Mode = "auto"
	// Permitted takes the effective bit off, so that the file always starts.
	Permitted Mode = "permitted"
	// Launcher puts a launcher in the place of a program, which moves beside it.
	Launcher Mode = "launcher"
	// Strip removes the attribute.
	Strip Mode = "strip"
	// Keep leaves the file as it is.
	Keep Mode = "keep"
)

// For says which mode a file needs, by what [scan] says of it. The error is an
// [ErrUndecided] where the file does not tell.
func For(f scan.Finding) (Mode, error) {
	switch f.Class {
	case scan.Aware:
		return Keep, nil
	case scan.Effective:
		return Permitted, nil
	case scan.Dumb:
		return Launcher, nil
	case scan.Ignored:
		return "", fmt.Errorf("%s is %w", f.Path, ErrScript)
	default:
		return "", fmt.Errorf("%s is %s: %s; %w", f.Path, f.Class, f.Evidence, ErrUndecided)
	}
}

// Choose is [For] for a file that is elsewhere than on this machine, such as in an
// image, by its raw attribute and what its program says about itself.
func Choose(path string, attribute []byte, program scan.Program) (Mode, error) {
	f, err := scan.ClassifyBeside("", attribute, program, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	return For(f)
}

// Options say what to do, and what the caller takes upon himself.
type Options struct {
	Mode Mode
	// Launcher returns the launcher for an architecture, in Go's name; for the modes
	// [Launcher] and [Auto].
	Launcher func(arch string) ([]byte, error)
	// DryRun finds out everything and changes nothing.
	DryRun bool
	// TrustTree changes files also where somebody else than root and the caller
	// could put another one in their place meanwhile.
	TrustTree bool
	// Owners says what to do with programs that belong to somebody else than root and
	// the caller, or that others may write to, and that want a launcher.
	Owners Owners
	// NoSecureExecution lets [Auto] put launchers also before programs that would not
	// work in secure-execution mode, and that therefore run without it.
	NoSecureExecution bool
}

// Owners says what becomes of a program that others than root could rewrite. With
// +ep it would lose its capability by that; behind a launcher it need not.
type Owners string

const (
	// Refuse leaves it alone.
	Refuse Owners = ""
	// ChownRoot makes it root's, and takes from others the right to write to it.
	ChownRoot Owners = "root"
	// MayHaveIt lets its owner have the capability, for any program of his.
	MayHaveIt Owners = "owner"
)

// Change is what was done to a file, or would be.
type Change struct {
	// Action is the mode that was chosen; Keep if there is nothing to do.
	Action Mode
	// Old and New are the capabilities in libcap's text form; "" for none.
	Old, New string
	// Placed says how a launcher was put in place; nil without one.
	Placed *Placed
}

// Needed reports whether there is anything to do.
func (c Change) Needed() bool { return c.Old != c.New || c.Placed != nil }

// Placed is how a launcher stands before its program.
type Placed struct {
	// Target is where the program is.
	Target string
	Arch   string
	// Owner owns the launcher and the program.
	Owner uint32
	// Notes are what follows from that, and from how the program gets its capability:
	// one sentence each.
	Notes []string
}

// ErrUndecided says that a file does not tell which mode it needs, and lists the
// choices.
var ErrUndecided = errors.New("choose --mode permitted if it raises its capabilities, launcher if not, or strip")

// ErrScript says that the capabilities are those of a script, and what helps.
var ErrScript = errors.New("a script: the kernel ignores its capabilities, and looks at those of its interpreter; --mode strip removes them; what starts the script can give it the capability, such as AmbientCapabilities= of a unit")

// ErrForeign says that the capabilities count in another user namespace only,
// in which they have to be changed.
var ErrForeign = errors.New("its capabilities belong to another user namespace")

// ErrExposed says that somebody else than root and the caller could put another file
// in the place of the one that is to be changed.
var ErrExposed = errors.New("others than root and the caller can put another file there")

// ErrOwner says that a change would give a capability to somebody who did not have
// it.
var ErrOwner = errors.New("others than root could give the capability to any program")

// ErrGains says that a launcher asks for more than it carries.
var ErrGains = errors.New("a launcher gets no capability that it does not carry")
