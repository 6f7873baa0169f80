// Package overlay makes build overlays of Go's standard library, with which every
// program that is built binds low ports as those do that use package capwise: the
// capability, permitted only, is raised on one thread for the instant of a bind
// that was refused without it.
//
// An overlay is made from the GOROOT that does the build: its files are read,
// found to be as expected, and get calls of this module's own code, which is that
// of the library, moved into packages syscall and runtime. A bind(2) from any
// package is covered, be it through package net, syscall.Bind, or unix.Bind of
// golang.org/x/sys; not one that C code makes. Where no bind is refused, nothing
// is done but to compare an error number after a system call.
//
// See "go help build" about -overlay.
package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/capwise/capwise/internal/refusal"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/scenario/place"
)

// StartVariable is the environment variable by which whoever starts a program
// says what becomes of CAP_NET_BIND_SERVICE where it arrives effective or ambient:
// StartDemote or StartKeep. Another value, or none, leaves it to the build.
const StartVariable = "CAPWISE_START"

// Start says what a program does with the capability when it starts.
type Start string

// What it does.
const (
	// StartDemote keeps it as permitted only, and from its children.
	StartDemote Start = "demote"
	// StartKeep leaves everything as it is.
	StartKeep Start = "keep"
)

// Toolchain is what builds, and for what.
type Toolchain struct {
	// GOROOT is its folder, by the name that it is asked for by.
	GOROOT string
	// GOARCH is the architecture that it builds for; GOOS is linux.
	GOARCH string
}

// Options are what an overlay does.
type Options struct {
	// Start is what a program does when it starts; "" is StartDemote.
	Start Start
	// Replace is another overlay's content, which the new one has too.
	Replace map[string]string
}

// Write writes an overlay into the folder, below a name that follows from its
// content, and returns the name of the JSON file for -overlay. What is there
// already stays. The error is a [*LayoutError] if the standard library is not as
// expected; nothing is written then.
func (t *Toolchain) Write(folder string, o Options) (string, error) {
	if o.Start == "" {
		o.Start = StartDemote
	}
	files, err := t.files(o)
	if err != nil {
		return "", err
	}
	replace := maps.Clone(o.Replace)
	if replace == nil {
		replace = map[string]string{}
	}
	content := folder + "/" + sum(files)
	for name := range files {
		path := t.path(name)
		if by, ok := replace[path]; ok {
			return "", fmt.Errorf("the overlay replaces %s by %s, where capwise would have to inject", path, by)
		}
		replace[path] = filepath.Join(content, filepath.FromSlash(name))
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	for name, text := range files {
		if err := write(filepath.Join(content, filepath.FromSlash(name)), text); err != nil {
			return "", err
		}
	}
	hash := sha256.Sum256(text)
	name := filepath.Join(folder, hex.EncodeToString(hash[:16])+".json")
	return name, write(name, text)
}

// sum names a set of files by its content.
func sum(files map[string][]byte) string {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = fmt.Appendf(all, "%s %d\n%s", name, len(files[name]), files[name])
	}
	hash := sha256.Sum256(all)
	return hex.EncodeToString(hash[:16])
}

// write writes a file, so that others see all of it or none.
func write(name string, text []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), name)
}

// files returns what is new or changed below GOROOT/src.
func (t *Toolchain) files(o Options) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, h := range hooks {
		if err := t.hook(out, h); err != nil {
			return nil, err
		}
	}
	if err := t.inSyscall(out); err != nil {
		return nil, err
	}
	if err := t.inRuntime(out, o); err != nil {
		return nil, err
	}
	return out, t.inNet(out)
}

func (t *Toolchain) hook(out map[string][]byte, h hook) error {
	if h.arches != nil && !slices.Contains(h.arches, t.GOARCH) {
		return nil
	}
	name := strings.ReplaceAll(h.file, "ARCH", t.GOARCH)
	text, err := os.ReadFile(t.path(name))
	if err != nil {
		return missing(t.path(name), err)
	}
	f, err := parse(t.path(name), text)
	if err != nil {
		return err
	}
	if err := h.hook(f, t.GOARCH); err != nil {
		return err
	}
	out[name] = f.edits.apply(text)
	return nil
}

// path is where a file of the standard library is.
func (t *Toolchain) path(name string) string {
	return filepath.Join(t.GOROOT, "src", filepath.FromSlash(name))
}

// inSyscall adds what package syscall gets.
func (t *Toolchain) inSyscall(out map[string][]byte) error {
	if slices.Contains(socketcallArches, t.GOARCH) {
		if err := t.assembly(out); err != nil {
			return err
		}
		out["syscall/capwise_socketcall.go"] = []byte(socketcallAdapter)
	}
	return t.add(out, "syscall", "", sys.Source, "caps_linux.go", "raise_linux.go", "rebind_linux.go", "bind_linux.go", "bind_socketcall_linux.go")
}

// socketcallAdapter is before the functions in assembly.
const socketcallAdapter = `package syscall

import "unsafe"

//go:uintptrkeepalive
//go:nosplit
//go:linkname socketcall
func socketcall(call int, a0, a1, a2, a3, a4, a5 uintptr) (n int, err Errno) {
	n, err = capwiseSocketcall(call, a0, a1, a2, a3, a4, a5)
	if err == EACCES && call == capwiseSysBind {
		_, _, err = capwiseRebind(a0, unsafe.Pointer(a1), a2)
	}
	return n, err
}

//go:nosplit
func capwiseRebindArgs(args unsafe.Pointer) (r1, r2 uintptr, err Errno) {
	a := (*[3]uintptr)(args)
	return capwiseRebind(a[0], unsafe.Pointer(a[1]), a[2])
}
`

// assembly renames the functions in assembly.
func (t *Toolchain) assembly(out map[string][]byte) error {
	name := "syscall/asm_linux_" + t.GOARCH + ".s"
	text, err := os.ReadFile(t.path(name))
	if err != nil {
		return missing(t.path(name), err)
	}
	out[name], err = hookAssembly(t.path(name), text)
	return err
}

// inRuntime adds what package runtime gets, which cannot import package syscall.
func (t *Toolchain) inRuntime(out map[string][]byte, o Options) error {
	path, name, err := t.rawSyscalls()
	if err != nil {
		return err
	}
	get, err := t.number("SYS_CAPGET")
	if err != nil {
		return err
	}
	set, err := t.number("SYS_CAPSET")
	if err != nil {
		return err
	}
	out["runtime/capwise_start.go"] = fmt.Appendf(nil, runtimeAdapter, path, get, set, name, o.Start, Marker(o.Start))
	return t.add(out, "runtime", "syscall", sys.Source, "caps_linux.go", "demote_linux.go")
}

// runtimeAdapter has what the transplanted files want of package syscall.
const runtimeAdapter = `package runtime

import %q

const (
	capwiseSYS_CAPGET = %s
	capwiseSYS_CAPSET = %s
)

type capwiseErrno uintptr

func (capwiseErrno) Error() string { return "a system call failed" }

//go:uintptrkeepalive
//go:nosplit
func capwiseRawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err capwiseErrno) {
	r1, r2, errno := %s.Syscall6(trap, a1, a2, a3, 0, 0, 0)
	return r1, r2, capwiseErrno(errno)
}

// capwiseStart runs when there is one thread. A library does not change what its
// program has, and what a seccomp filter does not let it lower stays.
func capwiseStart(library bool, setting string) {
	if setting != "demote" && setting != "keep" {
		setting = %q
	}
	if setting == "demote" && !library {
		_ = capwiseDemote()
	}
	if len(capwiseMarker) == 1 { // never, but now it is in the program
		capwiseMarker = ""
	}
}

var capwiseMarker = %q
`

// inNet adds what package net gets.
func (t *Toolchain) inNet(out map[string][]byte) error {
	out["net/capwise_refused.go"] = []byte(netAdapter)
	return errors.Join(
		t.add(out, "net", "", refusal.Source, "refusal.go", "table.go", "collect_linux.go"),
		t.add(out, "net", "", place.Source, "signs.go", "here_linux.go"),
		t.add(out, "net", "", sys.Source, "caps_linux.go", "prctl_linux.go", "file_linux.go", "ioctl_linux.go", "ioctl_none1_linux.go"),
	)
}

// netAdapter remembers why a port was last refused, for the errors that say so.
const netAdapter = `package net

import (
	"os"
	"sync"
	"syscall"
)

var capwiseNoted struct {
	sync.Mutex
	of map[int]string
}

func capwiseRefused(laddr Addr, err error) {
	port := capwisePort(laddr)
	if err != syscall.EACCES || port == 0 {
		return
	}
	why := capwiseExplain(port)
	capwiseNoted.Lock()
	defer capwiseNoted.Unlock()
	if capwiseNoted.of == nil {
		capwiseNoted.of = map[int]string{}
	}
	capwiseNoted.of[port] = ": " + why
}

func capwiseWhy(e *OpError) string {
	if e.Op != "listen" {
		return ""
	}
	if call, ok := e.Err.(*os.SyscallError); !ok || call.Syscall != "bind" || call.Err != syscall.EACCES {
		return ""
	}
	capwiseNoted.Lock()
	defer capwiseNoted.Unlock()
	return capwiseNoted.of[capwisePort(e.Addr)]
}

func capwisePort(a Addr) int {
	switch a := a.(type) {
	case *TCPAddr:
		if a != nil {
			return a.Port
		}
	case *UDPAddr:
		if a != nil {
			return a.Port
		}
	}
	return 0
}
`

// add transplants files of a package of this module; see [transplanter].
func (t *Toolchain) add(out map[string][]byte, target, adapted string, source fs.FS, names ...string) error {
	tr := transplanter{target: target, adapted: adapted, arch: t.GOARCH}
	files, err := tr.transplant(source, names...)
	for name, text := range files {
		out[target+"/"+name] = text
	}
	return err
}

// rawSyscalls returns the package that the runtime makes system calls with.
func (t *Toolchain) rawSyscalls() (path, name string, err error) {
	file := t.path("runtime/os_linux.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "", missing(file, err)
	}
	m := regexp.MustCompile(`"(internal/runtime/syscall(?:/linux)?)"`).FindSubmatch(text)
	if m == nil {
		return "", "", &LayoutError{file, "an import of internal/runtime/syscall"}
	}
	return string(m[1]), filepath.Base(string(m[1])), nil
}

// number returns the number of a system call.
func (t *Toolchain) number(call string) (string, error) {
	file := t.path("syscall/zsysnum_linux_" + t.GOARCH + ".go")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", missing(file, err)
	}
	m := regexp.MustCompile(`(?m)^\s*` + call + `\s*= (\d+)$`).FindSubmatch(text)
	if m == nil {
		return "", &LayoutError{file, call}
	}
	return string(m[1]), nil
}

func missing(name string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &LayoutError{name, "a file of that name"}
	}
	return err
}
