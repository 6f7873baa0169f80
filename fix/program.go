package fix

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/launch"
)

// Program is what a launcher for a program follows from, wherever that is: on
// this machine, or in an image.
type Program struct {
	// Path is where the launcher will be, from the root folder.
	Path string
	Caps filecap.Caps
	// Owner is its user, and Mode its mode, of which the bits below 0o7777 count.
	Owner, Mode uint32
	// Links is how many other names it has.
	Links int
	// Arch is its architecture, in Go's name, and Origin what of it would not work in
	// secure-execution mode, or ""; [Program.Read] finds both.
	Arch, Origin string
	// RunsCode says that it is an interpreter; [Program.Read] finds that, too.
	RunsCode bool
}

// Read reads off the program's file what a launcher for it follows from.
func (p *Program) Read(content io.ReaderAt) (err error) {
	if p.Arch, err = Arch(content); err != nil {
		return err
	}
	if p.Origin, err = origin(content); err != nil {
		return err
	}
	is, err := aware.Detect(content)
	p.RunsCode = is.RunsCode
	return err
}

// Target is where the program moves.
func (p Program) Target() string { return p.Path + launch.TargetSuffix }

// LauncherCaps are what a launcher's file carries.
func LauncherCaps(caps capset.Set) filecap.Caps {
	return filecap.Caps{Permitted: caps, Revision: filecap.V2}
}

// TargetCaps are what the file of a launcher's program carries; the zero Caps for
// nothing.
func TargetCaps(c launch.Config) filecap.Caps {
	if c.By != launch.File {
		return filecap.Caps{}
	}
	return filecap.Caps{Inheritable: c.Prefer, Effective: true, Revision: filecap.V2}
}

// OnlyInheritable reports whether capabilities are such that a file with them always
// starts, with what its starter has inheritable, too: as those of a program behind a
// launcher. There is nothing to put right then.
func OnlyInheritable(c filecap.Caps) bool { return c.Permitted == 0 && c.Inheritable != 0 }

const (
	setID    = 0o6000
	anybodyX = 0o001
	groupX   = 0o010
)

// Config is what the launcher is made for, or an error that says why none is put
// before the program.
func (p Program) Config(owners Owners) (launch.Config, error) {
	c := launch.Config{Caps: launch.Caps{Prefer: p.Caps.Permitted}, Target: p.Target(), By: launch.File}
	if p.Origin != "" {
		c.By = launch.Ambient
	}
	switch {
	case p.Caps.Foreign():
		return c, ErrForeign
	case p.Caps.Permitted == 0:
		return c, errors.New("its file permits no capability")
	case p.Mode&setID != 0:
		return c, errors.New("it has a set-id bit, which a launcher would lose")
	case p.Links > 0:
		return c, fmt.Errorf("it has other names, %d hard links, which would lose the capability: make symbolic links of them", p.Links)
	case p.Owner == 0 && p.Mode&launch.OthersWrite == 0:
		return c, nil
	}
	switch owners {
	case ChownRoot:
		if p.Mode&(anybodyX|groupX) == 0 {
			return c, fmt.Errorf("nobody but root could start it if it were root's: its mode is %#o", p.Mode&0o777)
		}
		return c, nil
	case MayHaveIt:
		if p.Mode&launch.OthersWrite != 0 {
			return c, fmt.Errorf("%w: others than its owner may write to it; chmod go-w, or --chown root", ErrOwner)
		}
		c.Owner = p.Owner
		return c, nil
	}
	return c, fmt.Errorf("%w: %s, who would lose the capability by writing to a file with +ep, and need not behind a launcher; --chown root makes the program root's, --owner-may-have-it leaves it", ErrOwner, p.writers())
}

// writers says who besides root may write to the program.
func (p Program) writers() string {
	switch {
	case p.Owner == 0:
		return fmt.Sprintf("its mode %#o lets others write to it", p.Mode&0o777)
	case p.Mode&launch.OthersWrite != 0:
		return fmt.Sprintf("it belongs to user %d, and its mode %#o lets others write to it", p.Owner, p.Mode&0o777)
	default:
		return fmt.Sprintf("it belongs to user %d", p.Owner)
	}
}

// FinalMode is the mode of launcher and program. What is made root's nobody else may
// write to.
func (p Program) FinalMode(owners Owners) uint32 {
	mode := p.Mode & 0o777
	if owners == ChownRoot {
		mode &^= launch.OthersWrite
	}
	return mode
}

// Placed says how the launcher stands before the program.
func (p Program) Placed(c launch.Config) *Placed {
	out := &Placed{Target: c.Target, Arch: p.Arch, Owner: c.Owner}
	switch {
	case c.Owner != 0: // writing takes them away, but not through a shared mapping
		out.note("user %d owns launcher and program, and can give %s to any program", c.Owner, c.Prefer)
	default:
		out.note("root owns launcher and program: nobody else can give %s to another program", c.Prefer)
	}
	if p.Owner != c.Owner {
		out.note("the program belonged to user %d, who can start it, and not write to it any more", p.Owner)
		if p.Mode&anybodyX == 0 {
			out.note("its mode is %#o: only its group can start it now", p.FinalMode(ChownRoot))
		}
	}
	if p.RunsCode {
		out.note("it is an interpreter: everybody who may start it has %s for any code, as with +ep", c.Prefer)
	}
	if c.By == launch.Ambient {
		out.note("%s, so it runs without secure-execution mode: who starts it can have it dump core and choose much of what it loads, and the programs that it starts have %s, too", p.Origin, c.Prefer)
	}
	return out
}

func (p *Placed) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// ErrSecureExecution says that a program would not work in secure-execution mode.
var ErrSecureExecution = errors.New("it would not work in secure-execution mode (ld.so(8)), so a launcher can't protect it as +ep does")

// CheckAuto says why a launcher is not put before the program unless it was asked
// for by name; nil where that is not so. An interpreter gets one: whoever starts it has the
// capability for any program that it interprets, with +ep too, so there is nothing that
// secure-execution mode would protect.
func (p Program) CheckAuto(noSecureExecution bool) error {
	if p.Origin == "" || noSecureExecution || p.RunsCode {
		return nil
	}
	return fmt.Errorf("%w: %s; --no-secure-execution, or --mode launcher, puts one before it that runs it without", ErrSecureExecution, p.Origin)
}

// Launched reports whether the content of a file is a launcher for the program
// beside it. One for another program is an error.
func (p Program) Launched(content io.ReaderAt) (bool, error) {
	c, err := launcherOf(content)
	if errors.Is(err, launch.ErrNoLauncher) {
		return false, nil
	}
	if err == nil && c.Target != p.Target() {
		err = fmt.Errorf("it is a launcher, for %s", c.Target)
	}
	return err == nil, err
}

// launcherOf reads what a launcher was made for; [launch.ErrNoLauncher] for any other
// file.
func launcherOf(content io.ReaderAt) (launch.Config, error) {
	program, err := io.ReadAll(io.NewSectionReader(content, 0, mostLauncher+1))
	if err != nil {
		return launch.Config{}, err
	}
	if len(program) > mostLauncher {
		return launch.Config{}, launch.ErrNoLauncher
	}
	return launch.Find(program)
}

// mostLauncher is more bytes than a launcher has.
const mostLauncher = 4 << 20

// kind is what of a program decides which launcher runs where it does.
type kind struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

// archs names the architectures of launchers as Go does.
var archs = map[kind]string{
	{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}:  "amd64",
	{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}: "arm64",
	{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}:     "arm",
	{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}:   "riscv64",
	{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}:    "s390x",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}:   "ppc64le",
}

// Arch returns the architecture, in Go's name, of the launcher for a program,
// which is read off its ELF header.
func Arch(program io.ReaderAt) (string, error) {
	var ident [20]byte // to the machine
	n, err := program.ReadAt(ident[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if n < len(ident) || string(ident[:4]) != elf.ELFMAG {
		return "", errors.New("not an ELF program, so a launcher cannot start it")
	}
	k := kind{class: elf.Class(ident[elf.EI_CLASS]), data: elf.Data(ident[elf.EI_DATA])}
	k.machine = elf.Machine(uint16(ident[18]) | uint16(ident[19])<<8)
	if k.data == elf.ELFDATA2MSB {
		k.machine = elf.Machine(uint16(ident[19]) | uint16(ident[18])<<8)
	}
	arch, ok := archs[k]
	if !ok {
		return "", fmt.Errorf("there is no launcher for %s, %s, %s", k.machine, k.class, k.data)
	}
	return arch, nil
}
