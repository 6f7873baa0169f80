package rootfs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/internal/need"
)

// built compiles a C program or library and returns its file.
func built(t *testing.T, text string, flags ...string) string {
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
	return out
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLibraries holds that a program is dumb only if none of its libraries raises,
// whichever layers they are in, as a container sees them; and that facts from the cache
// say the same.
func TestLibraries(t *testing.T) {
	library := []string{"-shared", "-fPIC", "-Wl,-soname=libx.so", "-Wl,--unresolved-symbols=ignore-all"}
	plain := built(t, "int x() { return 0; }", library...)
	raises := contentOf(t, built(t, "int cap_set_flag(); int cap_set_proc(); int x() { cap_set_flag(); return cap_set_proc(); }", library...))
	program := contentOf(t, built(t, "int x(); int main() { return x(); }", plain, "-Wl,-rpath,$ORIGIN/../lib/own"))
	harmless := contentOf(t, plain)
	m := layer(t, file{name: "bin/m", content: program, caps: effective})
	cache, err := facts.OpenCache(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for name, tc := range map[string]struct {
		layers []v1.Layer
		answer aware.Answer
		says   string
	}{
		"above":       {[]v1.Layer{m, layer(t, file{name: "usr/lib/libx.so", content: raises})}, aware.Unknown, "/usr/lib/libx.so, which calls cap_set_flag"},
		"below":       {[]v1.Layer{layer(t, file{name: "usr/lib/libx.so", content: raises}), m}, aware.Unknown, "/usr/lib/libx.so"},
		"by $ORIGIN":  {[]v1.Layer{m, layer(t, file{name: "lib/own/libx.so", content: raises})}, aware.Unknown, "/lib/own/libx.so"},
		"by links":    {[]v1.Layer{m, layer(t, file{name: "lib", link: "usr/lib"}, file{name: "usr/lib/libx.so", link: "/opt/libx.so.1"}, file{name: "opt/libx.so.1", content: raises})}, aware.Unknown, "/lib/libx.so"},
		"hard link":   {[]v1.Layer{m, layer(t, file{name: "opt/libx.so.1", content: raises}), layer(t, file{name: "usr/lib/libx.so", hard: "opt/libx.so.1"})}, aware.Unknown, "/usr/lib/libx.so"},
		"replaced":    {[]v1.Layer{layer(t, file{name: "usr/lib/libx.so", content: raises}), m, layer(t, file{name: "usr/lib/libx.so", content: harmless})}, aware.Dumb, "neither"},
		"removed":     {[]v1.Layer{layer(t, file{name: "usr/lib/libx.so", content: harmless}), m, layer(t, file{name: "usr/lib/.wh.libx.so"})}, aware.Unknown, "is not where"},
		"not there":   {[]v1.Layer{m}, aware.Unknown, "is not where"},
		"not an ELF":  {[]v1.Layer{m, layer(t, file{name: "usr/lib/libx.so", content: "a text"})}, aware.Unknown, "cannot be looked into"},
		"ELF, broken": {[]v1.Layer{m, layer(t, file{name: "usr/lib/libx.so", content: raises[:100]})}, aware.Unknown, "cannot be looked into"},
		"harmless":    {[]v1.Layer{m, layer(t, file{name: "usr/lib/libx.so", content: harmless})}, aware.Dumb, "neither"},
	} {
		for _, again := range []string{"read", "from the cache"} {
			img, err := rootfs.New(build(t, tc.layers...), "test", rootfs.Options{Cache: cache})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r, err := img.Program("/bin/m")
			if err != nil || r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
				t.Errorf("%s, %s: %+v, %v; want %s: %s", name, again, r, err, tc.answer, tc.says)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	img, err := rootfs.New(build(t, layer(t, file{name: "bin/m", content: program})), "test", rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if r, err := img.Program("/bin/m"); err != nil || r.Answer != aware.Unknown {
		t.Errorf("without capabilities: %+v, %v", r, err)
	}
	if _, err := img.Program("/bin/none"); err == nil {
		t.Error("one that is not there has an answer")
	}
}
