package fix

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
)

// origin says which of a program's search paths for libraries begins at the program
// itself, "" if there is none. The dynamic linker does without those in
// secure-execution mode: ld.so(8), $ORIGIN. Like the linker, it goes by the program
// headers, and not by the sections, which a program need not have.
func origin(program io.ReaderAt) (string, error) {
	f, err := elf.NewFile(program)
	if err != nil {
		return "", fmt.Errorf("a damaged ELF program: %w", err)
	}
	d, err := readDynamic(f)
	if err != nil {
		return "", fmt.Errorf("a damaged ELF program: %w", err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		at, there := d[tag]
		if !there {
			continue
		}
		path, err := textAt(f, d[elf.DT_STRTAB]+at)
		if err != nil {
			return "", fmt.Errorf("a damaged ELF program: %s: %w", tag, err)
		}
		if strings.Contains(path, "$ORIGIN") || strings.Contains(path, "${ORIGIN}") {
			return fmt.Sprintf("it looks for libraries in %q (%s)", path, strings.TrimPrefix(tag.String(), "DT_")), nil
		}
	}
	return "", nil
}

// mostDynamic is more bytes than the dynamic section of any program has.
const mostDynamic = 64 << 10

// readDynamic reads the dynamic section, which a static program does not have. Of a
// tag that is there twice the last counts.
func readDynamic(f *elf.File) (map[elf.DynTag]uint64, error) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		if p.Filesz > mostDynamic {
			return nil, fmt.Errorf("a dynamic section of %d bytes", p.Filesz)
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return tags(f, data), nil
	}
	return nil, nil
}

func tags(f *elf.File, data []byte) map[elf.DynTag]uint64 {
	size, word := 16, func(b []byte) uint64 { return f.ByteOrder.Uint64(b) }
	if f.Class == elf.ELFCLASS32 {
		size, word = 8, func(b []byte) uint64 { return uint64(f.ByteOrder.Uint32(b)) }
	}
	out := map[elf.DynTag]uint64{}
	for len(data) >= size {
		tag := elf.DynTag(word(data))
		if tag == elf.DT_NULL {
			break
		}
		out[tag] = word(data[size/2:])
		data = data[size:]
	}
	return out
}

// maxSearchPath is more bytes than a search path has.
const maxSearchPath = 64 << 10

// textAt reads the text at an address of the program.
func textAt(f *elf.File, address uint64) (string, error) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || address < p.Vaddr || address-p.Vaddr >= p.Filesz {
			continue
		}
		at := address - p.Vaddr
		data := make([]byte, min(p.Filesz-at, maxSearchPath))
		if _, err := p.ReadAt(data, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if text, _, ok := strings.Cut(string(data), "\x00"); ok {
			return text, nil
		}
		return "", fmt.Errorf("a search path of more than %d bytes", len(data))
	}
	return "", fmt.Errorf("nothing is loaded at %#x", address)
}
