package fix

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
)

// dynamic is an entry of a dynamic section.
type dynamic struct {
	tag   elf.DynTag
	value uint64
}

// base is where the programs of these tests are loaded.
const base = 0x10000

// program returns an ELF program with one segment: its headers, its texts, which
// begin at the returned address, and its dynamic section, if it has any.
func program(class elf.Class, texts string, section []dynamic) []byte {
	order := binary.LittleEndian
	headers := uint64(64 + 2*56)
	if class == elf.ELFCLASS32 {
		headers = 52 + 2*32
	}
	var dyn bytes.Buffer
	for _, d := range section {
		if class == elf.ELFCLASS32 {
			_ = binary.Write(&dyn, order, elf.Dyn32{Tag: int32(d.tag), Val: uint32(d.value)})
		} else {
			_ = binary.Write(&dyn, order, elf.Dyn64{Tag: int64(d.tag), Val: d.value})
		}
	}
	size := headers + uint64(len(texts)+dyn.Len())
	number := uint16(1)
	if section != nil {
		number = 2
	}
	ident := [16]byte{0x7f, 'E', 'L', 'F', byte(class), 1, 1}
	var out bytes.Buffer
	at := headers + uint64(len(texts))
	if class == elf.ELFCLASS32 {
		_ = binary.Write(&out, order, elf.Header32{Ident: ident, Type: 3, Machine: uint16(elf.EM_ARM), Version: 1, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: number})
		_ = binary.Write(&out, order, elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: uint32(size), Memsz: uint32(size)})
		_ = binary.Write(&out, order, elf.Prog32{Type: uint32(elf.PT_DYNAMIC), Off: uint32(at), Filesz: uint32(dyn.Len())})
	} else {
		_ = binary.Write(&out, order, elf.Header64{Ident: ident, Type: 3, Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: number})
		_ = binary.Write(&out, order, elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: size, Memsz: size})
		_ = binary.Write(&out, order, elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: at, Filesz: uint64(dyn.Len())})
	}
	out.WriteString(texts)
	out.Write(dyn.Bytes())
	return out.Bytes()
}

// TestOrigin holds which search paths keep a program from running in
// secure-execution mode, and what a program is that cannot be read.
func TestOrigin(t *testing.T) {
	const texts = "\x00/lib\x00$ORIGIN/../lib\x00/a:${ORIGIN}\x00ORIGIN\x00"
	plain, origin1, origin2, word := uint64(1), uint64(6), uint64(21), uint64(34)
	end := dynamic{elf.DT_NULL, 0}
	for _, class := range []elf.Class{elf.ELFCLASS64, elf.ELFCLASS32} {
		table := dynamic{elf.DT_STRTAB, base + 64 + 2*56}
		if class == elf.ELFCLASS32 {
			table.value = base + 52 + 2*32
		}
		for name, tc := range map[string]struct {
			section []dynamic
			want    string
			fails   string
		}{
			"static":            {nil, "", ""},
			"no search path":    {[]dynamic{table, end}, "", ""},
			"an empty section":  {[]dynamic{}, "", ""},
			"an absolute path":  {[]dynamic{table, {elf.DT_RUNPATH, plain}, end}, "", ""},
			"the plain word":    {[]dynamic{table, {elf.DT_RUNPATH, word}, end}, "", ""},
			"RUNPATH":           {[]dynamic{table, {elf.DT_RUNPATH, origin1}, end}, `"$ORIGIN/../lib" (RUNPATH)`, ""},
			"RPATH":             {[]dynamic{table, {elf.DT_RPATH, origin2}, end}, `"/a:${ORIGIN}" (RPATH)`, ""},
			"the table last":    {[]dynamic{{elf.DT_RPATH, origin1}, table, end}, `(RPATH)`, ""},
			"both, first plain": {[]dynamic{table, {elf.DT_RPATH, plain}, {elf.DT_RUNPATH, origin1}, end}, `(RUNPATH)`, ""},
			"twice, last plain": {[]dynamic{table, {elf.DT_RPATH, origin1}, {elf.DT_RPATH, plain}, end}, "", ""},
			"behind the end":    {[]dynamic{table, end, {elf.DT_RUNPATH, origin1}}, "", ""},
			"without an end":    {[]dynamic{table, {elf.DT_RUNPATH, origin1}}, `(RUNPATH)`, ""},
			"not loaded":        {[]dynamic{table, {elf.DT_RUNPATH, 1 << 20}, end}, "", "nothing is loaded at 0x"},
			"the first byte":    {[]dynamic{{elf.DT_STRTAB, base}, {elf.DT_RUNPATH, 0}, end}, "", ""},
			"not to be loaded":  {[]dynamic{{elf.DT_RUNPATH, 8}, end}, "", "nothing is loaded at 0x8"},
			"before it":         {[]dynamic{{elf.DT_RUNPATH, base - 1}, end}, "", "nothing is loaded at 0xffff"},
		} {
			got, err := origin(bytes.NewReader(program(class, texts, tc.section)))
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("%s, %s: got %q, want %q", class, name, got, tc.want)
			}
			if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s, %s: got the error %v, want %q", class, name, err, tc.fails)
			}
		}
	}
}

// TestOriginEnd holds what is read at the end of a segment, and where that is longer
// than the file.
func TestOriginEnd(t *testing.T) {
	const aaaa = 0x6161616161616161
	last := dynamic{aaaa, aaaa}
	size := uint64(64 + 2*56 + len("$ORIGIN\x00") + 2*16)
	for name, tc := range map[string]struct {
		address uint64
		fails   string
	}{
		"without a zero byte": {size - 8, "a search path of more than 8 bytes"},
		"behind it":           {size, "nothing is loaded at"},
	} {
		_, err := origin(bytes.NewReader(program(elf.ELFCLASS64, "$ORIGIN\x00", []dynamic{{elf.DT_RUNPATH, base + tc.address}, last})))
		if err == nil || !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %v, want %q", name, err, tc.fails)
		}
	}
	cut := program(elf.ELFCLASS64, "$ORIGIN\x00", []dynamic{{elf.DT_RUNPATH, base + 64 + 2*56}, last})
	const sizeInFile = 64 + 32 // of the first segment
	binary.LittleEndian.PutUint64(cut[sizeInFile:], size+100)
	if got, err := origin(bytes.NewReader(cut)); err != nil || !strings.Contains(got, "$ORIGIN") {
		t.Errorf("a segment longer than the file: got %q, %v", got, err)
	}
}

// TestOriginLong holds that what is too long is an error, and not read.
func TestOriginLong(t *testing.T) {
	table := dynamic{elf.DT_STRTAB, base + 64 + 2*56}
	path := []dynamic{table, {elf.DT_RUNPATH, 0}, {elf.DT_NULL, 0}}
	for name, tc := range map[string]struct {
		program []byte
		fails   string
	}{
		"a path to its limit": {program(elf.ELFCLASS64, strings.Repeat("x", maxSearchPath-1)+"\x00", path), ""},
		"a path without end":  {program(elf.ELFCLASS64, strings.Repeat("x", maxSearchPath)+"\x00", path), "a search path of more than 65536 bytes"},
		"a section in limits": {program(elf.ELFCLASS64, "", make([]dynamic, mostDynamic/16)), ""},
		"a long section":      {program(elf.ELFCLASS64, "", make([]dynamic, mostDynamic/16+1)), "a dynamic section of 65552 bytes"},
		"cut off":             {program(elf.ELFCLASS64, "", path)[:40], "a damaged ELF program"},
	} {
		_, err := origin(bytes.NewReader(tc.program))
		if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %v, want %q", name, err, tc.fails)
		}
	}
}
