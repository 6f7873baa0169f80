package image

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// machines names the ELF machine of each architecture that images are made for.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// checkProgram says why the program cannot be started, if it cannot.
func checkProgram(entries []entry, program string) error {
	e := find(entries, program)
	if e == nil {
		return fmt.Errorf("%s: %w", program, fs.ErrNotExist)
	}
	if !e.mode.IsRegular() {
		return fmt.Errorf("%s: is not a regular file", program)
	}
	if e.mode.Perm()&0o111 != 0o111 {
		return fmt.Errorf("%s: has mode %04o and cannot be executed by everybody", program, e.mode.Perm())
	}
	if !isELF(e.data) {
		return fmt.Errorf("%s: is not an ELF program", program)
	}
	return nil
}

// checkBinaries says which ELF file would not start on the platform: one of
// another architecture, or one whose dynamic loader the image lacks.
func checkBinaries(entries []entry, p v1.Platform) error {
	for _, e := range entries {
		if !isELF(e.data) {
			continue
		}
		interpreter, err := checkELF(e.data, p)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if interpreter != "" && find(entries, rel(interpreter)) == nil {
			return fmt.Errorf("%s: needs the dynamic loader %s, which the image does not hold", e.name, interpreter)
		}
	}
	return nil
}

func isELF(data []byte) bool { return bytes.HasPrefix(data, []byte(elf.ELFMAG)) }

// checkELF checks that data is for the platform and returns the dynamic
// loader that it asks for, if any.
func checkELF(data []byte, p v1.Platform) (interpreter string, err error) {
	want, ok := machines[p.Architecture]
	if !ok {
		return "", fmt.Errorf("no image can be made for architecture %q", p.Architecture)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("damaged ELF file: %w", err)
	}
	if f.Machine != want || f.Class != elf.ELFCLASS64 {
		return "", fmt.Errorf("is for %v (%v), not for %s", f.Machine, f.Class, p.Architecture)
	}
	for _, s := range f.Progs {
		if s.Type != elf.PT_INTERP {
			continue
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(s.Open()); err != nil {
			return "", fmt.Errorf("damaged ELF file: %w", err)
		}
		return strings.TrimRight(b.String(), "\x00"), nil
	}
	return "", nil
}

// version returns the version, without its leading v, that the Go program's
// build information has for the module.
func version(program []byte, module string) (string, error) {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return "", fmt.Errorf("no version of %s can be read from it: %w", module, err)
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module && strings.HasPrefix(m.Version, "v") {
			return m.Version[1:], nil
		}
	}
	return "", errors.New("its build information has no version of " + module)
}
