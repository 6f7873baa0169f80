package fix

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/need"
)

// compiled is the content of a C program or library.
func compiled(t *testing.T, text string, flags ...string) (path, content string) {
	t.Helper()
	gcc := need.Tool(t, "gcc")
	dir := t.TempDir()
	source, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(gcc, append([]string{"-w", "-o", out, source}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return out, string(data)
}

func archiveOf(t *testing.T, name, content, caps string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
	if caps != "" {
		h.PAXRecords = map[string]string{schily: caps}
	}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLibraries holds that auto asks the libraries of a program, in whatever layer they
// are, before it puts a launcher in its place.
func TestLibraries(t *testing.T) {
	flags := []string{"-shared", "-fPIC", "-Wl,-soname=libx.so", "-Wl,--unresolved-symbols=ignore-all"}
	path, harmless := compiled(t, "int x() { return 0; }", flags...)
	_, raises := compiled(t, "int capset(); int x() { return capset(); }", flags...)
	_, program := compiled(t, "int x(); int main() { return x(); }", path)
	app := archiveOf(t, "usr/bin/app", program, effectiveCaps)
	for name, tc := range map[string]struct {
		layers [][]byte
		says   string
	}{
		"above":    {[][]byte{app, archiveOf(t, "usr/lib/libx.so", raises, "")}, "/usr/lib/libx.so, which calls capset"},
		"below":    {[][]byte{archiveOf(t, "usr/lib/libx.so", raises, ""), app}, "/usr/lib/libx.so, which calls capset"},
		"harmless": {[][]byte{archiveOf(t, "usr/lib/libx.so", harmless, ""), app}, ""},
	} {
		for _, c := range []compression{plain, gzipped} {
			f := newFixture(t)
			f.docker(c, tc.layers...)
			r, err := Run(f.write("docker-archive"), Options{Mode: Auto, Launcher: fakeLauncher, Choose: filefix.Choose})
			switch {
			case tc.says != "":
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s, %s: %v, want %q", name, c, err, tc.says)
				}
			case err != nil || len(r.Files) != 1 || r.Files[0].Action != Launcher:
				t.Errorf("%s, %s: %+v, %v, want a launcher", name, c, r, err)
			}
		}
	}
}
