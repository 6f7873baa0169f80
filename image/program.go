package image

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime/debug"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// architectures are those that images are made for.
var architectures = map[string]struct {
	machine elf.Machine
	triplet string // names the folders of Debian's libraries
}{
	"amd64": {elf.EM_X86_64, "x86_64-linux-gnu"},
	"arm64": {elf.EM_AARCH64, "aarch64-linux-gnu"},
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
// another architecture, or one whose dynamic loader or a shared library of
// which the image lacks.
func checkBinaries(entries []entry, p v1.Platform) error {
	for _, e := range entries {
		if !isELF(e.data) {
			continue
		}
		needs, err := checkELF(e.data, p)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := needs.check(entries, architectures[p.Architecture].triplet); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// needs is what an ELF file asks for to be started or loaded.
type needs struct {
	interpreter string // the dynamic loader, an absolute path
	libraries   []string
}

func (n needs) check(entries []entry, triplet string) error {
	if n.interpreter != "" && find(entries, rel(n.interpreter)) == nil {
		return fmt.Errorf("needs the dynamic loader %s, which the image does not hold", n.interpreter)
	}
	for _, library := range n.libraries {
		if !hasLibrary(entries, triplet, library) {
			return fmt.Errorf("needs the library %s, which the image does not hold", library)
		}
	}
	return nil
}

// hasLibrary looks where Debian's dynamic loader does without a cache: images have
// none, since ldconfig would have to run on their architecture.
func hasLibrary(entries []entry, triplet, name string) bool {
	for _, dir := range []string{"lib/" + triplet, "usr/lib/" + triplet, "lib", "usr/lib"} {
		e := find(entries, dir+"/"+name)
		if e != nil && e.mode&fs.ModeSymlink != 0 {
			e = find(entries, path.Join(dir, e.target)) // of one file by its versions
		}
		if e != nil {
			return true
		}
	}
	return false
}

func isELF(data []byte) bool { return bytes.HasPrefix(data, []byte(elf.ELFMAG)) }

// checkELF checks that data is for the platform and returns what it needs.
func checkELF(data []byte, p v1.Platform) (needs, error) {
	want, ok := architectures[p.Architecture]
	if !ok {
		return needs{}, fmt.Errorf("no image can be made for architecture %q", p.Architecture)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return needs{}, fmt.Errorf("damaged ELF file: %w", err)
	}
	if f.Machine != want.machine || f.Class != elf.ELFCLASS64 {
		return needs{}, fmt.Errorf("is for %v (%v), not for %s", f.Machine, f.Class, p.Architecture)
	}
	n, err := readNeeds(f)
	if err != nil {
		return needs{}, fmt.Errorf("damaged ELF file: %w", err)
	}
	return n, nil
}

func readNeeds(f *elf.File) (n needs, err error) {
	for _, s := range f.Progs {
		if s.Type != elf.PT_INTERP {
			continue
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(s.Open()); err != nil {
			return n, err
		}
		n.interpreter = strings.TrimRight(b.String(), "\x00")
	}
	n.libraries, err = f.ImportedLibraries()
	return n, err
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
