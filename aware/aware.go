// Package aware finds out whether a program raises its capabilities, from
// its file alone: without running it, and also where it was stripped.
//
// A program that does is capability-aware, and its file can carry a capability as
// permitted only. One that does not is capability-dumb: it needs the effective
// bit, and then does not start where the capability is missing. What the file
// does not tell is [Unknown], never guessed.
package aware

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/overlay"
)

// Answer says whether a program raises capabilities.
type Answer string

// The answers.
const (
	Aware   Answer = "aware"
	Dumb    Answer = "dumb"
	Unknown Answer = "unknown"
)

// Result is an answer and what it rests on.
type Result struct {
	Answer Answer
	// Evidence is one clause: the function, library or symbol that was found, or
	// what was looked for in vain.
	Evidence string
	// Script says that the file is a script. The kernel looks at the capabilities of its
	// interpreter, and ignores those of the script (bprm_creds_from_file of fs/exec.c, from
	// Linux 5.8 on).
	Script bool `json:",omitempty"`
	// RunsCode says that the program is an interpreter: whoever may start it chooses what it
	// does with its capabilities.
	RunsCode bool `json:",omitempty"`
	// Injected says that the program was built by "capwise build".
	Injected bool
	// Launches is what a launcher of capwise was made for; nil for other programs.
	Launches *launch.Config
	// Linked is which libraries have to be looked at, too ([Result.WithLibraries]), if
	// the program itself calls nothing to raise with; nil for other programs.
	Linked *Linked `json:",omitempty"`
}

// raisers is the functions that are known to raise a permitted capability where
// it is needed, by the name that Go's function table has for them, with who has
// them. A table keeps the names of functions that were inlined, too.
var raisers = []struct{ function, of string }{
	{"github.com/capwise/capwise.(*thread).raise", "the capwise library"},
	{"github.com/caddyserver/caddy/v2/internal.setBindCapability", "Caddy 2.11.8 or later"},
	{"github.com/0xERR0R/blocky/util.RaiseNetBindService", "blocky"},
	{"kernel.org/pub/linux/libs/security/libcap/cap.(*Set).SetProc", "libcap's Go package"},
	{"kernel.org/pub/linux/libs/security/libcap/cap.(*Launcher).Launch", "libcap's Go package"},
}

// setters is functions that change a thread's capabilities, for whatever purpose.
var setters = []string{"golang.org/x/sys/unix.Capset", "github.com/moby/sys/capability.(*capsV3).Apply", "github.com/syndtr/gocapability/capability.(*capsV3).Apply"}

// Detect reads the program. An error means that it could not be read; a file
// that is no program is Unknown.
func Detect(r io.ReaderAt) (Result, error) {
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); n < len(magic) {
		if err != nil && !errors.Is(err, io.EOF) {
			return Result{}, err
		}
		return Result{Answer: Unknown, Evidence: "too short for a program"}, nil
	}
	switch {
	case string(magic[:2]) == "#!":
		return Result{Answer: Unknown, Script: true, Evidence: "a script: the kernel looks at its interpreter alone, so capabilities on the script have no effect"}, nil
	case string(magic[:]) != elf.ELFMAG:
		return Result{Answer: Unknown, Evidence: "not an ELF program"}, nil
	}
	f, err := openELF(r)
	if err != nil {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("a damaged ELF file: %v", err)}, nil
	}
	if result, isGo, err := detectGo(f, r); isGo || err != nil {
		return result, err
	}
	return detectC(f), nil
}

// detectGo looks into the function table of a Go program.
func detectGo(f *program, r io.ReaderAt) (result Result, isGo bool, err error) {
	info, infoErr := buildinfo.Read(&bounded{r, mostRead})
	table := functionTable(f.File, infoErr == nil)
	functions, err := f.functions(table)
	switch {
	case err != nil:
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("a damaged Go program: %v", err)}, true, nil
	case table == nil && infoErr != nil:
		return Result{}, false, nil //nolint:nilerr // not a Go program, which is no error
	case table == nil:
		return Result{Answer: Unknown, Evidence: "a Go program (" + info.GoVersion + ") without its function table"}, true, nil
	}
	if infoErr == nil && info.Path == launcherPath {
		return launcher(r), true, nil
	}
	if functions[overlay.Function] {
		return injected(f), true, nil
	}
	for _, f := range raisers {
		if functions[f.function] {
			return Result{Answer: Aware, Evidence: fmt.Sprintf("contains %s of %s", f.function, f.of)}, true, nil
		}
	}
	for _, name := range setters {
		if functions[name] {
			return Result{Answer: Unknown, Evidence: "calls " + name + ", for a purpose that the file does not tell"}, true, nil
		}
	}
	imported, _ := f.symbols() // none of a program without cgo
	if calls := mayRaise(imported.imports); calls != "" {
		return Result{Answer: Unknown, Evidence: "calls " + calls + ", for a purpose that the file does not tell"}, true, nil
	}
	module := "a Go program"
	if infoErr == nil && info.Main.Path != "" {
		module = strings.TrimSpace("Go program " + info.Main.Path + " " + info.Main.Version)
	}
	out := Result{Answer: Dumb, Evidence: module + ", in which nothing raises capabilities"}
	if len(imported.imports) > 0 { // cgo, and libraries that it calls
		linked, err := linkedOf(f)
		if err != nil {
			return Result{Answer: Unknown, Evidence: fmt.Sprintf("what it is linked with cannot be read: %v", err)}, true, nil
		}
		out.Linked = &linked
	}
	return out, true, nil
}

// injected says how the program was built. The marker lies in its data, wherever
// the linker put it.
func injected(f *program) Result {
	r := Result{Answer: Aware, Evidence: "built by capwise build", Injected: true}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 {
			continue
		}
		found := false
		err := f.windows(s, func(data []byte) bool {
			var text string
			if text, found = overlay.FindMarker(data); found {
				r.Evidence += " (" + text + ")"
			}
			return found
		})
		if err != nil || found {
			break
		}
	}
	return r
}

// launcherPath is the package that launchers are built from.
const launcherPath = "github.com/capwise/capwise/launch/cmd/capwise-launcher"

// mostLauncher is more than a launcher takes.
const mostLauncher = 4 << 20

// launcher says what a launcher starts.
func launcher(r io.ReaderAt) Result {
	program, err := io.ReadAll(io.NewSectionReader(r, 0, mostLauncher))
	if err != nil {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("a launcher of capwise that cannot be read: %v", err)}
	}
	c, err := launch.Find(program)
	if err != nil {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("a launcher of capwise that starts nothing: %v", err)}
	}
	return Result{Answer: Aware, Evidence: "the launcher of capwise for " + c.Target, Launches: &c}
}

// functionTable returns the section that holds the names of a Go program's
// functions, nil if there is none. Linked by an external linker as
// position-independent, it is part of another section.
func functionTable(f *elf.File, isGo bool) *elf.Section {
	names := []string{".gopclntab", ".data.rel.ro.gopclntab"}
	if isGo {
		names = append(names, ".data.rel.ro")
	}
	for _, name := range names {
		if s := f.Section(name); s != nil {
			return s
		}
	}
	return nil
}
