package fix

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/launch"
)

// TargetSuffix ends the name under which a program lies beside its launcher.
const TargetSuffix = ".capwise"

// Program is what a launcher for a program follows from, wherever that is: on
// this machine, or in an image.
type Program struct {
	// Path is where the launcher will be, from the root folder.
	Path string
	Caps filecap.Caps
	// Owner is its user.
	Owner uint32
	// SetID says that it has a set-id bit.
	SetID bool
	// Links is how many other names it has.
	Links int
	// Taken says that there is something where it would move.
	Taken bool
}

// Target is where the program moves.
func (p Program) Target() string { return p.Path + TargetSuffix }

// LauncherCaps are what the launcher's file carries.
func (p Program) LauncherCaps() filecap.Caps {
	return filecap.Caps{Permitted: p.Caps.Permitted, Revision: filecap.V2}
}

// Change is what putting a launcher before it does.
func (p Program) Change() Change {
	return Change{Old: p.Caps.String(), New: p.LauncherCaps().String() + " on a launcher"}
}

// Config is what the launcher is made for, or an error that says why none is put
// before the program.
func (p Program) Config() (launch.Config, error) {
	c := launch.Config{Caps: launch.Caps{Prefer: p.Caps.Permitted}, Target: p.Target(), Owner: p.Owner}
	switch {
	case p.Caps.Foreign():
		return c, ErrForeign
	case p.Caps.Permitted == 0:
		return c, errors.New("its file permits no capability")
	case p.SetID:
		return c, errors.New("it has a set-id bit, which a launcher would lose")
	case p.Links > 0:
		return c, fmt.Errorf("it has %d hard links, and the others would lose the capability", p.Links)
	case p.Taken:
		return c, fmt.Errorf("%s is there already", p.Target())
	}
	return c, nil
}

// Launched reports whether the content of a file is a launcher for the program
// beside it. One for another program is an error.
func (p Program) Launched(content []byte) (bool, error) {
	c, err := launch.Find(content)
	if errors.Is(err, launch.ErrNoLauncher) {
		return false, nil
	}
	if err == nil && c.Target != p.Target() {
		err = fmt.Errorf("it is a launcher, for %s", c.Target)
	}
	return err == nil, err
}

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
		return "", errors.New("a launcher is for ELF programs, and this is none")
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
