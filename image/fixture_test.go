package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/capwise/capwise/filecap"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
)

var testSpec = Spec{
	Name:    "demo",
	Tag:     "example/demo:${VERSION}",
	Program: "/usr/bin/demo",
	Module:  "example.com/demo",
	Config: v1.Config{
		Env:          []string{"PATH=/usr/bin", "DEMO_VERSION=v${VERSION}"},
		Cmd:          []string{"demo", "run"},
		WorkingDir:   "/srv",
		ExposedPorts: map[string]struct{}{"80/tcp": {}},
		Labels:       map[string]string{"org.opencontainers.image.version": "v${VERSION}"},
	},
}

// fakeProgram returns an ELF file that no kernel would run, but that says what
// a Go program says of itself: its machine, the version of example.com/demo in
// its build information, and, if any, the dynamic loader that it needs.
func fakeProgram(t *testing.T, machine elf.Machine, version, interpreter string) []byte {
	t.Helper()
	const headers = 64 + 2*56
	var blob bytes.Buffer
	blob.WriteString("\xff Go buildinf:")
	blob.WriteByte(8)               // size of a pointer
	blob.WriteByte(2)               // the strings follow in place
	blob.Write(make([]byte, 32-16)) // up to where they start
	framed := "path\tx\ndep\texample.com/demo\t" + version + "\th1:x\n"
	framed = "0123456789abcdef" + framed + "0123456789abcdef"
	for _, s := range []string{"go1.26", framed} {
		blob.Write(binary.AppendUvarint(nil, uint64(len(s))))
		blob.WriteString(s)
	}
	data := blob.Bytes()

	var out bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01") // 64 bits, little-endian, version 1
	if interpreter != "" {
		h.Phnum = 2
	}
	write(h)
	const base = 0x400000
	write(elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16,
		Off: headers, Vaddr: base, Filesz: uint64(len(data)), Memsz: uint64(len(data)),
	})
	write(elf.Prog64{
		Type: uint32(elf.PT_INTERP), Flags: uint32(elf.PF_R),
		Off: headers + uint64(len(data)), Filesz: uint64(len(interpreter) + 1),
	})
	out.Write(data)
	out.WriteString(interpreter + "\x00")
	return out.Bytes()
}

// fakeLibrary returns an ELF file with nothing in it but the name of a library that
// it needs.
func fakeLibrary(t *testing.T, machine elf.Machine, needed string) []byte {
	t.Helper()
	const sections, size = 64, 64
	names := append(append([]byte{0}, needed...), 0)
	var out bytes.Buffer
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1, Ehsize: 64,
		Shoff: sections, Shentsize: size, Shnum: 3, Shstrndx: 1,
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01") // 64 bits, little-endian, version 1
	start := uint64(sections + 3*size)
	for _, v := range []any{
		h,
		elf.Section64{},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: start, Size: uint64(len(names))},
		elf.Section64{Type: uint32(elf.SHT_DYNAMIC), Off: start + uint64(len(names)), Size: 32, Link: 1, Entsize: 16},
		names,
		elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: 1},
		elf.Dyn64{Tag: int64(elf.DT_NULL)},
	} {
		if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// makeRoot fills a new directory with a small root file system.
func makeRoot(t *testing.T, program []byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"usr": 0o755, "usr/bin": 0o755, "usr/share": 0o755, "etc": 0o755, "tmp": 0o777 | os.ModeSticky, "srv": 0o755,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "usr/bin/demo"), program, 0o755)
	writeFile(t, filepath.Join(dir, "usr/share/page.html"), []byte("hello\n"), 0o644)
	writeFile(t, filepath.Join(dir, "etc/secret"), nil, 0o600)
	if err := os.Symlink("../usr/bin/demo", filepath.Join(dir, "etc/link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// makeRoots makes the same root for both platforms.
func makeRoots(t *testing.T) []Root {
	t.Helper()
	return []Root{
		{amd64, makeRoot(t, fakeProgram(t, elf.EM_X86_64, "v1.2.3", ""))},
		{arm64, makeRoot(t, fakeProgram(t, elf.EM_AARCH64, "v1.2.3", ""))},
	}
}

func testOptions(t *testing.T, fileCaps string) Options {
	t.Helper()
	caps, err := filecap.FromText(fileCaps)
	if err != nil {
		t.Fatal(err)
	}
	return Options{FileCaps: &caps, Created: time.Unix(0, 0)}
}
