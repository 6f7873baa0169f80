package overlay

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
)

// write writes an overlay for this machine's toolchain.
func writeOverlay(t *testing.T, arch string) string {
	t.Helper()
	tool := Toolchain{GOROOT: goroot(t), GOARCH: arch}
	name, err := tool.Write(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func goroot(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("an overlay is for Linux")
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// runGo runs the go command, and fails the test if that fails.
func runGo(t *testing.T, env []string, args ...string) string {
	t.Helper()
	c := exec.Command("go", args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestInjected runs the tests of package injected; on amd64 those of 386, too, on
// which Go binds by another system call.
func TestInjected(t *testing.T) {
	// What is read here, the go command looks at before it takes a result from its
	// cache.
	files, err := filepath.Glob("injected/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	arches := []string{runtime.GOARCH}
	if runtime.GOARCH == "amd64" {
		arches = append(arches, "386")
	}
	for _, arch := range arches {
		out := runGo(t, []string{"GOARCH=" + arch, "CGO_ENABLED=0"}, "test", "-v", "-count=1", "-vet=off", "-overlay="+writeOverlay(t, arch), "-tags=injected", "./injected")
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "--- ") {
				t.Log(arch, strings.TrimSpace(line))
			}
		}
	}
}

// TestInjectedOtherwise runs them with the race detector, and without
// optimizations, which take more of the stack that is there when it must not grow.
func TestInjectedOtherwise(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	for _, args := range [][]string{{"-race"}, {"-gcflags=all=-N -l"}} {
		args = append([]string{"test", "-count=1", "-vet=off", "-overlay=" + writeOverlay(t, runtime.GOARCH), "-tags=injected"}, args...)
		runGo(t, []string{"CGO_ENABLED=1"}, append(args, "./injected")...)
	}
}

// TestStandardLibrary runs Go's own tests of what is injected into.
func TestStandardLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	runGo(t, nil, "test", "-short", "-vet=off", "-overlay="+writeOverlay(t, runtime.GOARCH), "net", "syscall", "os")
}

// TestArchitectures builds a program with what is injected for each of Linux's. The
// linker finds out whether stacks suffice where they must not grow.
func TestArchitectures(t *testing.T) {
	goroot(t)
	main := filepath.Join(t.TempDir(), "main.go")
	if err := write(main, []byte("package main\n\nimport \"net\"\n\nfunc main() { net.Listen(\"tcp\", \":80\") }\n")); err != nil {
		t.Fatal(err)
	}
	var arches []string
	for platform := range strings.FieldsSeq(runGo(t, nil, "tool", "dist", "list")) {
		if arch, ok := strings.CutPrefix(platform, "linux/"); ok {
			arches = append(arches, arch)
		}
	}
	if len(arches) < 13 {
		t.Errorf("%q: fewer than Go 1.26 has", arches)
	}
	for _, arch := range arches {
		t.Run(arch, func(t *testing.T) {
			runGo(t, []string{"GOARCH=" + arch, "CGO_ENABLED=0"}, "build", "-o=/dev/null", "-overlay="+writeOverlay(t, arch), main)
		})
	}
}

// TestCapability holds the bit to the number that has the name.
func TestCapability(t *testing.T) {
	text, err := os.ReadFile("../internal/sys/caps_linux.go")
	if err != nil {
		t.Fatal(err)
	}
	if capset.NetBindService != 10 || !strings.Contains(string(text), "\nconst netBindService = 1 << 10\n") {
		t.Error("CAP_NET_BIND_SERVICE is not what is injected")
	}
}

// TestLayout changes a copy of the standard library, place by place.
func TestLayout(t *testing.T) {
	root := goroot(t)
	for _, tc := range []struct{ file, old, renamed, want string }{
		{"syscall/syscall_linux.go", "func Syscall(trap, a1, a2, a3 uintptr)", "func Syscall(nr, a1, a2, a3 uintptr)", ": want func Syscall with the parameters trap, a1, a2, a3, not nr, a1, a2, a3"},
		{"syscall/syscall_linux.go", "func Syscall(trap", "func Call(trap", "syscall_linux.go: want func Syscall:"},
		{"syscall/syscall_linux.go", "\truntime_exitsyscall()\n\treturn\n", "\truntime_exitsyscall()\n\treturn r1, r2, err\n", `: want func Syscall to end with "return"`},
		{"syscall/syscall_linux.go", "\treturn RawSyscall6(trap, a1, a2, a3, 0, 0, 0)\n", "\tr1, r2, err = RawSyscall6(trap, a1, a2, a3, 0, 0, 0)\n\treturn\n", `: want func RawSyscall to be "return RawSyscall6(...)"`},
		{"syscall/syscall_linux.go", "func Syscall6(trap", "func Call6(trap", "syscall_linux.go: want func Syscall6:"},
		{"runtime/proc.go", "\tgoenvs()\n", "", ": want func schedinit to call goenvs"},
		{"runtime/os_linux.go", `"internal/runtime/syscall/linux"`, `"internal/linux"`, ": want an import of internal/runtime/syscall"},
		{"net/sock_posix.go", "if err = syscall.Bind(fd.pfd.Sysfd, lsa); err != nil {\n\t\treturn os.NewSyscallError(\"bind\", err)\n\t}\n\tif err = listenFunc", "if err = bindFunc(fd.pfd.Sysfd, lsa); err != nil {\n\t\treturn os.NewSyscallError(\"bind\", err)\n\t}\n\tif err = listenFunc", ": want func listenStream to have one statement"},
		{"net/net.go", "\ts += \": \" + e.Err.Error()\n\treturn s\n", "\treturn s + \": \" + e.Err.Error()\n", `: want func Error to end with "return s"`},
		{"syscall/zsysnum_linux_amd64.go", "SYS_CAPSET ", "SYS_SETCAP ", ": want SYS_CAPSET"},
		{"syscall/zsysnum_linux_amd64.go", "", "", "zsysnum_linux_amd64.go: want a file of that name"},
		{"runtime/security_linux.go", "func isSecureMode()", "func isSecure()", ": want func isSecureMode"},
		{"net/net.go", "package net", "package", "net.go:"},
	} {
		dir := t.TempDir()
		for _, name := range inputs {
			text, err := os.ReadFile(filepath.Join(root, "src", name))
			if err != nil {
				t.Fatal(err)
			}
			if name == tc.file {
				if !strings.Contains(string(text), tc.old) {
					t.Fatalf("%s has no %q", name, tc.old)
				}
				if tc.old == "" {
					continue
				}
				text = []byte(strings.ReplaceAll(string(text), tc.old, tc.renamed))
			}
			if err := write(filepath.Join(dir, "src", name), text); err != nil {
				t.Fatal(err)
			}
		}
		out := t.TempDir()
		tool := Toolchain{GOROOT: dir, GOARCH: "amd64"}
		_, err := tool.Write(out, Options{})
		layout := new(LayoutError)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "src", tc.file)) || !strings.Contains(err.Error(), tc.want) ||
			!errors.As(err, &layout) && tc.renamed != "package" {
			t.Errorf("%s without %q: got %v\nwant %q", tc.file, tc.old, err, tc.want)
		}
		if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
			t.Errorf("%s without %q: left %v, %v", tc.file, tc.old, left, err)
		}
	}
}

// inputs is the files that an overlay for amd64 is made from.
var inputs = []string{
	"syscall/syscall_linux.go", "syscall/zsysnum_linux_amd64.go", "runtime/proc.go", "runtime/os_linux.go", "runtime/security_linux.go", "net/sock_posix.go", "net/net.go",
}

// TestWrite holds an overlay to its promises: the same input gives the same
// names and bytes, what is there stays, and others' replacements are kept.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	tool := Toolchain{GOROOT: goroot(t), GOARCH: "amd64"}
	first, err := tool.Write(dir, Options{Replace: map[string]string{"/a": "/b"}})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tool.Write(dir, Options{Replace: map[string]string{"/a": "/b"}, Start: StartDemote})
	if err != nil || second != first {
		t.Errorf("a second time: %s, %v, want %s", second, err, first)
	}
	if after, err := os.Stat(first); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("written again: %v", err)
	}
	text, err := os.ReadFile(first)
	if err != nil || !strings.Contains(string(text), `"/a": "/b"`) {
		t.Errorf("%s, %v: want the other replacement", text, err)
	}
	keep, err := tool.Write(dir, Options{Start: StartKeep})
	if err != nil || keep == first {
		t.Errorf("another setting: %s, %v, want another name", keep, err)
	}
	clash := filepath.Join(tool.GOROOT, "src/net/net.go")
	if _, err := tool.Write(dir, Options{Replace: map[string]string{clash: "/mine.go"}}); err == nil || !strings.Contains(err.Error(), "replaces "+clash+" by /mine.go") {
		t.Errorf("a clash: %v", err)
	}
}

func TestFindMarker(t *testing.T) {
	for text, want := range map[string]string{
		"abc" + Marker(StartKeep) + "def":                     "start=keep",
		markerBefore + strings.Repeat("x", 200) + markerAfter: "",
		markerBefore:            "",
		"\xffcapwise build\xff": "",
	} {
		if got, ok := FindMarker([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", text, got, ok, want)
		}
	}
}
