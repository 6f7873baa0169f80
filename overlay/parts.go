package overlay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	source "github.com/capwise/capwise/internal"
)

// inSyscall adds what package syscall gets.
func (t *Toolchain) inSyscall(out map[string][]byte) error {
	if slices.Contains(socketcallArches, t.GOARCH) {
		if err := t.assembly(out); err != nil {
			return err
		}
		out["syscall/capwise_socketcall.go"] = []byte(socketcallAdapter)
	}
	return t.add(out, "syscall", "", "sys", "caps_linux.go", "raise_linux.go", "rebind_linux.go", "die_linux.go", "bind_linux.go", "bind_socketcall_linux.go")
}

// socketcallAdapter is before the functions in assembly.
const socketcallAdapter = `package syscall

import "unsafe"

// capwiseSysDirectBind is bind(2) itself, which there is since Linux 4.3. This
// package has no name for it, but golang.org/x/sys does.
const capwiseSysDirectBind = 361

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
	if err := t.secureMode(); err != nil {
		return err
	}
	path, name, err := t.rawSyscalls()
	if err != nil {
		return err
	}
	var numbers [4]string
	for i, call := range []string{"SYS_CAPGET", "SYS_CAPSET", "SYS_PRCTL", "SYS_GETUID"} {
		if numbers[i], err = t.number(call); err != nil {
			return err
		}
	}
	out["runtime/capwise_start.go"] = fmt.Appendf(nil, runtimeAdapter, path, numbers[0], numbers[1], numbers[2], name, o.Start, Marker(o.Start), numbers[3])
	return t.add(out, "runtime", "syscall", "sys", "caps_linux.go", "prctl_linux.go", "demote_linux.go")
}

// runtimeAdapter has what the transplanted files want of package syscall.
const runtimeAdapter = `package runtime

import %[1]q

const (
	capwiseSYS_CAPGET = %[2]s
	capwiseSYS_CAPSET = %[3]s
	capwiseSYS_PRCTL  = %[4]s
	capwiseSYS_GETUID = %[8]s
)

type capwiseErrno uintptr

func (capwiseErrno) Error() string { return "a system call failed" }

func capwiseRawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err capwiseErrno) {
	r1, r2, errno := %[5]s.Syscall6(trap, a1, a2, a3, a4, a5, a6)
	return r1, r2, capwiseErrno(errno)
}

//go:uintptrkeepalive
//go:nosplit
func capwiseRawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err capwiseErrno) {
	r1, r2, errno := %[5]s.Syscall6(trap, a1, a2, a3, 0, 0, 0)
	return r1, r2, capwiseErrno(errno)
}

// capwiseStart runs when there is one thread. A library does not change what its
// program has, and what a seccomp filter does not let it lower stays. systemd's
// filters kill as a rule where they refuse, and often refuse capset(2): there
// nothing is demoted unless whoever starts the program asks for it. One who has
// less than the program gets (AT_SECURE) has no say, as in GOTRACEBACK.
func capwiseStart(library bool, setting, service string) {
	if capwiseGained() {
		setting = ""
	}
	if setting != "demote" && setting != "keep" {
		setting = %[6]q
		if mode, err := capwiseSeccompMode(); service != "" && (err != nil || mode != 0) {
			setting = "keep"
		}
	}
	if setting == "demote" && !library {
		_ = capwiseDemote()
	}
	if len(capwiseMarker) == 1 { // never, but now it is in the program
		capwiseMarker = ""
	}
}

// capwiseGained reports whether the program got more than its starter has. That
// is AT_SECURE; but where the dynamic linker took a variable such as TMPDIR out of
// the environment for it, the runtime looks for the auxiliary vector in the wrong
// place, and knows nothing of AT_SECURE. What has CAP_NET_BIND_SERVICE from who
// started it, has it ambient, or is root's.
func capwiseGained() bool {
	if isSecureMode() {
		return true
	}
	uid, _, err := capwiseRawSyscall(capwiseSYS_GETUID, 0, 0, 0)
	ambient, _ := capwiseInAmbientSet(10)
	return err == 0 && uid != 0 && !ambient
}

var capwiseMarker = %[7]q
`

// inNet adds what package net gets.
func (t *Toolchain) inNet(out map[string][]byte) error {
	return errors.Join(
		t.add(out, "net", "", "refusal", "refusal.go", "table.go", "collect_linux.go", "noted_linux.go"),
		t.add(out, "net", "", "environ", "signs.go", "here_linux.go"),
		t.add(out, "net", "", "sys", "caps_linux.go", "prctl_linux.go", "owner_linux.go", "ioctl_linux.go", "ioctl_none1_linux.go"),
	)
}

// add transplants files of a package of this module; see [transplanter].
func (t *Toolchain) add(out map[string][]byte, target, adapted, folder string, names ...string) error {
	tr := transplanter{target: target, adapted: adapted, arch: t.GOARCH}
	for i, name := range names {
		names[i] = folder + "/" + name
	}
	files, err := tr.transplant(source.Files(), names...)
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

// secureMode looks for the function by which the runtime knows AT_SECURE.
func (t *Toolchain) secureMode() error {
	file := t.path("runtime/security_linux.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return missing(file, err)
	}
	h, err := parse(file, text)
	if err != nil {
		return err
	}
	_, err = h.function("", "isSecureMode")
	return err
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
