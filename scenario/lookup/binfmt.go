package lookup

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Misc is what binfmt_misc has registered: files that the kernel executes by an
// interpreter, told by their first bytes or by how their names end.
type Misc struct {
	Name        string // of the registration
	Interpreter string
	// Credentials is the flag C: what the file itself carries counts, and not
	// what its interpreter carries.
	Credentials bool
	// Opened is the flag F: the interpreter is the one that was there when it was
	// registered, whatever root the file is executed below.
	Opened bool
	// Extension is how names end, without the dot; or else Magic is what the
	// bytes from Offset on are, where Mask has a bit.
	Extension   string
	Offset      int
	Magic, Mask []byte
	disabled    bool
}

// Registry is what [scenario.Files] implements where the kernel is known that
// executes them. Its registrations come in the kernel's order. An error says that they
// cannot be told.
type Registry interface{ Misc() ([]Misc, error) }

// miscHead is how much of a file the kernel looks at (BINPRM_BUF_SIZE).
const miscHead = 256

// ParseMisc reads a registration as /proc/sys/fs/binfmt_misc/NAME shows it.
func ParseMisc(name, text string) (Misc, error) {
	m := Misc{Name: name}
	for line := range strings.Lines(text) {
		if err := m.line(strings.TrimSuffix(line, "\n")); err != nil {
			return Misc{}, fmt.Errorf("binfmt_misc: %s: %w", name, err)
		}
	}
	switch {
	case m.Interpreter == "":
		return Misc{}, fmt.Errorf("binfmt_misc: %s: no interpreter", name)
	case m.Extension == "" && len(m.Magic) == 0:
		return Misc{}, fmt.Errorf("binfmt_misc: %s: neither an extension nor a magic", name)
	case m.Mask != nil && len(m.Mask) != len(m.Magic):
		return Misc{}, fmt.Errorf("binfmt_misc: %s: a mask of %d bytes for a magic of %d", name, len(m.Mask), len(m.Magic))
	}
	return m, nil
}

func (m *Misc) line(line string) (err error) {
	key, value, _ := strings.Cut(line, " ")
	switch key {
	case "enabled":
	case "disabled":
		m.disabled = true
	case "interpreter":
		m.Interpreter = value
	case "flags:":
		m.Credentials = strings.Contains(value, "C")
		m.Opened = strings.Contains(value, "F")
	case "extension":
		m.Extension = strings.TrimPrefix(value, ".")
	case "offset":
		if m.Offset, err = strconv.Atoi(value); err == nil && (m.Offset < 0 || m.Offset > miscHead) {
			err = fmt.Errorf("offset %d: want one up to %d", m.Offset, miscHead)
		}
	case "magic":
		m.Magic, err = hex.DecodeString(value)
	case "mask":
		m.Mask, err = hex.DecodeString(value)
	}
	return err
}

// matches is search_binfmt_handler of fs/binfmt_misc.c.
func (m *Misc) matches(name string, head []byte) bool {
	if m.disabled {
		return false
	}
	if m.Extension != "" {
		return strings.TrimPrefix(path.Ext(name), ".") == m.Extension
	}
	var buf [miscHead]byte
	copy(buf[:], head)
	if m.Offset+len(m.Magic) > len(buf) {
		return false
	}
	found := bytes.Clone(buf[m.Offset:][:len(m.Magic)])
	want := bytes.Clone(m.Magic)
	for i := range m.Mask {
		found[i] &= m.Mask[i]
		want[i] &= m.Mask[i]
	}
	return bytes.Equal(found, want)
}

// misc returns the registration for a file, nil if there is none, or if that
// cannot be told.
func (w *walk) misc(name string, head []byte) *Misc {
	registry, ok := w.files.(Registry)
	if !ok {
		w.foreign(name, head)
		return nil
	}
	all, err := registry.Misc()
	if err != nil {
		w.foreign(name, head)
		return nil
	}
	for i := range all {
		if all[i].matches(name, head) {
			return &all[i]
		}
	}
	return nil
}

// foreign notes what was not looked at of a file that the kernel does not execute
// by itself, if it can be executed at all.
func (w *walk) foreign(name string, head []byte) {
	if len(head) > 0 && interpreter(head) == nil && !native(head) {
		w.start.Note(name + " is neither a script nor a program for " + runtime.GOARCH +
			": what binfmt_misc has execute it was not looked at, and the capabilities of that program may count instead")
	}
}

// machines is the architectures that Linux is built for.
var machines = map[string]elf.Machine{
	"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "loong64": elf.EM_LOONGARCH,
	"ppc64": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
}

// native reports whether a file is a program for this architecture, or for one
// that cannot be told.
func native(head []byte) bool {
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return false
	}
	want, known := machines[runtime.GOARCH]
	if len(head) < 20 || !known {
		return true
	}
	machine := elf.Machine(binary.LittleEndian.Uint16(head[18:]))
	if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		machine = elf.Machine(binary.BigEndian.Uint16(head[18:]))
	}
	return machine == want || want == elf.EM_X86_64 && machine == elf.EM_386
}
