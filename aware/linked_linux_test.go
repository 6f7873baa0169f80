package aware_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/aware"
)

// shared builds a library that calls the functions, and is linked with others.
func shared(t *testing.T, name, text string, flags ...string) string {
	t.Helper()
	return buildC(t, text, append([]string{"-shared", "-fPIC", "-Wl,-soname=" + name}, flags...)...)
}

// install copies files into a tree, by the path there.
func install(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, to)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// detectIn is DetectIn for a file of the tree.
func detectIn(t *testing.T, root, name string) aware.Result {
	t.Helper()
	path, err := filepath.EvalSymlinks(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := aware.DetectIn(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const raises = "int cap_set_flag(); int cap_set_proc(); int x() { cap_set_flag(); return cap_set_proc(); }"

// TestLibraries holds that a program which calls nothing to raise with is dumb only if
// none of its libraries does either, wherever the dynamic linker finds them.
func TestLibraries(t *testing.T) {
	lazily := "-Wl,--unresolved-symbols=ignore-all"
	plainX := shared(t, "libx.so", "int x() { return 0; }")
	raisingX := shared(t, "libx.so", raises)
	callingX := shared(t, "libx.so", "int syscall(); int x() { return syscall(); }")
	openingY := shared(t, "liby.so", "int x(); int y() { return x(); }", lazily, "-Wl,--no-as-needed", raisingX)
	// GCC links by the name that the library says it has.
	main := func(symbol, library string, flags ...string) string {
		return buildC(t, "int "+symbol+"(); int main() { return "+symbol+"(); }", append([]string{lazily, "-Wl,--no-as-needed", library}, flags...)...)
	}
	bare, origin, run := main("x", plainX), main("x", plainX, "-Wl,-rpath,$ORIGIN/../lib/own", "-Wl,--disable-new-dtags"), main("x", plainX, "-Wl,-rpath,/opt/own", "-Wl,--enable-new-dtags")
	chain := main("y", openingY)
	for name, tc := range map[string]struct {
		files  map[string]string
		answer aware.Answer
		says   string
	}{
		"nothing raises":        {map[string]string{"usr/lib/libx.so": plainX, "bin/m": bare}, aware.Dumb, "neither libcap"},
		"in a usual folder":     {map[string]string{"usr/lib/libx.so": raisingX, "bin/m": bare}, aware.Unknown, "/usr/lib/libx.so, which calls cap_set_flag and cap_set_proc"},
		"by RPATH and $ORIGIN":  {map[string]string{"lib/own/libx.so": raisingX, "bin/m": origin}, aware.Unknown, "/lib/own/libx.so"},
		"by RUNPATH":            {map[string]string{"opt/own/libx.so": raisingX, "bin/m": run}, aware.Unknown, "/opt/own/libx.so"},
		"of a library":          {map[string]string{"usr/lib/liby.so": openingY, "lib/libx.so": raisingX, "bin/m": chain}, aware.Unknown, "/lib/libx.so"},
		"one of two":            {map[string]string{"lib/libx.so": plainX, "usr/lib/libx.so": raisingX, "bin/m": bare}, aware.Unknown, "/usr/lib/libx.so"},
		"its own hides":         {map[string]string{"opt/own/libx.so": callingX, "bin/m": run}, aware.Unknown, "/opt/own/libx.so, a library of its own, which calls syscall"},
		"a usual one hides":     {map[string]string{"usr/lib/libx.so": callingX, "bin/m": bare}, aware.Dumb, "neither"},
		"not there":             {map[string]string{"bin/m": bare}, aware.Unknown, "libx.so, which is not where"},
		"not a library":         {map[string]string{"usr/lib/libx.so": "linked_linux_test.go", "bin/m": bare}, aware.Unknown, "libx.so, which cannot be looked into: not a library"},
		"of a library, missing": {map[string]string{"usr/lib/liby.so": openingY, "bin/m": chain}, aware.Unknown, "libx.so, which is not where"},
	} {
		root := t.TempDir()
		tc.files["lib64/ld-linux-x86-64.so.2"], tc.files["lib/ld-linux-aarch64.so.1"] = plainX, plainX // so that it is a root folder
		install(t, root, tc.files)
		if r := detectIn(t, root, "bin/m"); r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
			t.Errorf("%s: %+v, want %s: %s", name, r, tc.answer, tc.says)
		}
	}
}

// TestLibrariesInRoot holds that links of a tree mean files of the tree, and that what is
// no regular file there is not opened.
func TestLibrariesInRoot(t *testing.T) {
	plainX, raisingX := shared(t, "libx.so", "int x() { return 0; }"), shared(t, "libx.so", raises)
	bare := buildC(t, "int x(); int main() { return x(); }", "-Wl,--no-as-needed", plainX)
	for name, tc := range map[string]struct {
		make   func(root string) error
		answer aware.Answer
		says   string
	}{
		"an absolute link": {func(root string) error { return os.Symlink("/opt/real.so", filepath.Join(root, "usr/lib/libx.so")) }, aware.Unknown, "which calls cap_set_flag"},
		"out of the tree": {func(root string) error {
			return os.Symlink("../../../../../../../opt/real.so", filepath.Join(root, "usr/lib/libx.so"))
		}, aware.Unknown, "which calls cap_set_flag"},
		"a loop":         {func(root string) error { return os.Symlink("libx.so", filepath.Join(root, "usr/lib/libx.so")) }, aware.Unknown, "more than 40 symbolic links"},
		"a FIFO":         {func(root string) error { return syscall.Mkfifo(filepath.Join(root, "usr/lib/libx.so"), 0o666) }, aware.Unknown, "not a FIFO"},
		"usr is no root": {func(root string) error { return os.Symlink("usr/lib64", filepath.Join(root, "lib64")) }, aware.Unknown, "is not where"},
	} {
		root := t.TempDir()
		install(t, root, map[string]string{"usr/lib64/ld-linux-x86-64.so.2": plainX, "opt/real.so": raisingX, "usr/bin/m": bare, "usr/lib/other.so": plainX})
		if name != "usr is no root" {
			install(t, root, map[string]string{"lib64/ld-linux-x86-64.so.2": plainX})
		}
		if err := tc.make(root); err != nil {
			t.Fatal(err)
		}
		if r := detectIn(t, root, "usr/bin/m"); r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
			t.Errorf("%s: %+v, want %s: %s", name, r, tc.answer, tc.says)
		}
	}
}

// TestManyLibraries holds that a program which names libraries without end comes to one.
func TestManyLibraries(t *testing.T) {
	n := 0
	files := func(string) (aware.Linked, error) {
		n++
		return aware.Linked{Machine: "m", Libraries: []string{"lib" + strings.Repeat("x", n) + ".so"}}, nil
	}
	r := aware.Result{Answer: aware.Dumb, Linked: &aware.Linked{Machine: "m", Libraries: []string{"liba.so"}}}
	if r = r.WithLibraries("/bin/m", files); r.Answer != aware.Unknown || !strings.Contains(r.Evidence, "more libraries") {
		t.Errorf("%+v", r)
	}
	r = aware.Result{Answer: aware.Dumb, Linked: &aware.Linked{Machine: "m", Libraries: []string{"liba.so"}}}
	other := func(name string) (aware.Linked, error) {
		if strings.HasPrefix(name, "/lib64/") {
			return aware.Linked{Machine: "another", Raises: "capset"}, nil
		}
		return aware.Linked{}, fs.ErrNotExist
	}
	if r = r.WithLibraries("/bin/m", other); r.Answer != aware.Unknown || !strings.Contains(r.Evidence, "is not where") {
		t.Errorf("of another machine: %+v", r)
	}
}

// TestKnown holds what identifies a program: what its file contains, and not its name.
func TestKnown(t *testing.T) {
	python := "int Py_BytesMain() { return 0; } int PyEval_EvalCode() { return 0; } int PyImport_ImportModule() { return 0; }\n"
	for name, tc := range map[string]struct {
		text   string
		answer aware.Answer
		says   string
	}{
		"python3":                 {python + calls("dlopen"), aware.Dumb, "is Python, which does not raise"},
		"python3 by name":         {calls("dlopen"), aware.Unknown, "calls dlopen"},
		"python3 and capset":      {python + calls("dlopen", "capset"), aware.Unknown, "calls capset"},
		"a part of it":            {strings.Replace(python, "PyEval_EvalCode", "another", 1) + calls("dlopen"), aware.Unknown, "calls dlopen"},
		"BusyBox":                 {`const char *s = "BusyBox is a multi-call binary that combines many common Unix", *v = "BusyBox v1.36";` + calls("capset"), aware.Dumb, "is BusyBox"},
		"BusyBox by half":         {`const char *v = "BusyBox v1.36";` + calls("capset"), aware.Unknown, "calls capset"},
		"BusyBox, and libcap's":   {`const char *s = "BusyBox is a multi-call binary that combines many common Unix", *v = "BusyBox v1.36";` + calls("cap_set_flag", "cap_set_proc"), aware.Unknown, "cap_set_flag"},
		"arp-scan, without a cap": {`const char *s = "Usage: arp-scan [options] [hosts...]", *v = "arp-scan is capabilities aware.";` + calls("socket"), aware.Dumb, "neither"},
	} {
		built := buildC(t, tc.text, "-rdynamic", "-Wl,--unresolved-symbols=ignore-all")
		root := t.TempDir()
		install(t, root, map[string]string{"python3": built})
		if r := detect(t, filepath.Join(root, "python3")); r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
			t.Errorf("%s: %+v, want %s: %s", name, r, tc.answer, tc.says)
		}
	}
	for name, text := range map[string]string{"python3": python + calls("dlopen"), "a stub": calls("Py_BytesMain"), "no interpreter": calls("another")} {
		r := detect(t, buildC(t, text, "-rdynamic", "-Wl,--unresolved-symbols=ignore-all"))
		if r.Answer != aware.Dumb || r.RunsCode != (name != "no interpreter") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	static := buildC(t, `const char *s = "BusyBox is a multi-call binary that combines many common Unix", *v = "BusyBox v1.36";`+"\n"+cDumb, "-static")
	if r := detect(t, static); r.Answer != aware.Dumb {
		t.Errorf("a static one: %+v", r)
	}
}
