package aware_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/capwise/capwise/aware"
)

// bomb is a library of a few megabytes whose names are the same long one, or of whose
// dynamic section each entry needs it.
func bomb(t *testing.T, kind elf.SectionType, entries, nameSize int) []byte {
	t.Helper()
	names := append(bytes.Repeat([]byte("x"), nameSize), 0)
	var table bytes.Buffer
	for range entries {
		var entry any = elf.Sym64{Info: 0x12}
		if kind == elf.SHT_DYNAMIC {
			entry = elf.Dyn64{Tag: int64(elf.DT_NEEDED)}
		}
		if err := binary.Write(&table, binary.LittleEndian, entry); err != nil {
			t.Fatal(err)
		}
	}
	const header, section = 64, 64
	sections := []elf.Section64{
		{},
		{Type: uint32(kind), Flags: uint64(elf.SHF_ALLOC), Off: header, Size: uint64(table.Len()), Link: 2},
		{Type: uint32(elf.SHT_STRTAB), Flags: uint64(elf.SHF_ALLOC), Off: uint64(header + table.Len()), Size: uint64(len(names))},
	}
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: uint64(header + table.Len() + len(names)), Ehsize: header, Shentsize: section, Shnum: uint16(len(sections)), Shstrndx: 2}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var out bytes.Buffer
	err := errors.Join(binary.Write(&out, binary.LittleEndian, h), binary.Write(&out, binary.LittleEndian, table.Bytes()),
		binary.Write(&out, binary.LittleEndian, names), binary.Write(&out, binary.LittleEndian, sections))
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestNames holds that names which refer to one long name over and over take no memory.
func TestNames(t *testing.T) {
	for _, kind := range []elf.SectionType{elf.SHT_DYNSYM, elf.SHT_DYNAMIC} {
		for _, size := range []int{4000, 1 << 20} {
			file := bomb(t, kind, 200_000, size)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := aware.Library(bytes.NewReader(file))
			r, errProgram := aware.Detect(bytes.NewReader(file))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, aware.ErrNoLibrary) || errProgram != nil || r.Answer != aware.Unknown {
				t.Errorf("%s, %d: %v; %+v, %v", kind, size, err, r, errProgram)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
				t.Errorf("%s, %d: %d MB", kind, size, used>>20)
			}
		}
	}
}

func FuzzLibrary(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := aware.Library(bytes.NewReader(data)); err != nil && !errors.Is(err, aware.ErrNoLibrary) {
			t.Error(err)
		}
	})
}
