package aware

import (
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Linked is what the dynamic linker loads for a program or a library, and what that
// calls which may raise capabilities.
type Linked struct {
	// Machine is what it runs on. The dynamic linker ignores libraries for others.
	Machine string `json:"machine"`
	// Interpreter is the dynamic linker of a program; "" for a library.
	Interpreter string `json:"interpreter,omitempty"`
	// Libraries are the names that it needs (DT_NEEDED), without those of the C library and
	// of libcap and libcap-ng, which raise nothing unless they are told to.
	Libraries []string `json:"libraries,omitempty"`
	// Search is where it looks for them before the usual folders (DT_RPATH or
	// DT_RUNPATH), as it stands in the file.
	Search []string `json:"search,omitempty"`
	// Raises names the functions that it calls and that may raise, and Hides one that
	// hides what it calls; "" for none.
	Raises string `json:"raises,omitempty"`
	Hides  string `json:"hides,omitempty"`
}

// mostNeeded is more libraries, or folders, than a program names.
const mostNeeded = 256

// ErrNoLibrary says that a file is not a library that the dynamic linker loads.
var ErrNoLibrary = errors.New("not a library")

// Library reads what a library is linked with. The error wraps [ErrNoLibrary] if it
// cannot be loaded as one.
func Library(r io.ReaderAt) (Linked, error) {
	f, err := openELF(r)
	if err != nil || f.Type != elf.ET_DYN {
		return Linked{}, errors.Join(ErrNoLibrary, err)
	}
	l, err := linkedOf(f)
	if err != nil {
		return l, errors.Join(ErrNoLibrary, err)
	}
	return l, nil
}

func linkedOf(f *program) (Linked, error) {
	l := Linked{Machine: f.Machine.String() + " " + f.Class.String(), Interpreter: interpreter(f.File)}
	needed, search, err := f.dynamic()
	if err != nil {
		return l, err
	}
	l.Libraries = slices.DeleteFunc(needed, isSystem)
	for _, list := range search {
		l.Search = append(l.Search, strings.Split(list, ":")...)
	}
	if len(l.Search) > mostNeeded {
		return l, errTooMuch
	}
	symbols, err := f.symbols()
	if err != nil {
		return l, err
	}
	l.Raises, l.Hides = mayRaise(symbols.imports), first(symbols.imports, anything)
	if _, known := recognize(f, symbols, l.Raises); known {
		l.Raises, l.Hides = "", ""
	}
	return l, nil
}

// interpreter is the path of a program's dynamic linker.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > mostName {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return ""
		}
		return strings.TrimRight(string(name), "\x00")
	}
	return ""
}

// system is the libraries that raise nothing unless a program calls them for it: those
// of glibc and musl, of GCC, and the ones that the calls are looked for in.
var system = []string{
	"libc.so", "libc.musl-", "libm.so", "libmvec.so", "libdl.so", "libpthread.so", "librt.so", "libresolv.so", "libutil.so", "libcrypt.so",
	"libnsl.so", "libanl.so", "ld-linux", "ld-musl-", "ld64.so", "linux-vdso", "libgcc_s.so", "libstdc++.so", "libatomic.so",
	"libcap.so", "libcap-ng.so", "libpsx.so",
}

func isSystem(library string) bool {
	return slices.ContainsFunc(system, func(known string) bool { return strings.HasPrefix(library, known) })
}

// Files says what the library at an absolute path is linked with. The error wraps
// [fs.ErrNotExist] if there is nothing at the path; any other says why it is not known.
type Files func(path string) (Linked, error)

// mostLibraries is more libraries than a program loads.
const mostLibraries = 1024

// WithLibraries completes the answer about the program at an absolute path by the
// libraries that it is linked with. A program that calls nothing to raise with is dumb
// only if none of them does, and if each is found. Where a library could be one of
// several files, all of them are looked at.
func (r Result) WithLibraries(program string, files Files) Result {
	if r.Answer != Dumb || r.Linked == nil {
		return r
	}
	w := loading{files: files, machine: r.Linked.Machine, seen: map[string]bool{}}
	if why := w.load(program, *r.Linked); why != "" {
		return Result{Answer: Unknown, Evidence: why, Linked: r.Linked}
	}
	return r
}

// loading is a program whose libraries are looked up.
type loading struct {
	files   Files
	machine string
	search  []string // of the program
	seen    map[string]bool
	queue   []loaded
}

// loaded is a program or library that is found.
type loaded struct {
	path string
	Linked
}

// load says what of the libraries keeps the program from being dumb, "" for nothing.
func (w *loading) load(program string, is Linked) string {
	w.search = expanded(program, is)
	w.queue = []loaded{{program, is}}
	for len(w.queue) > 0 {
		next := w.queue[0]
		w.queue = w.queue[1:]
		for _, name := range next.Libraries {
			if why := w.library(next, name); why != "" {
				return why
			}
		}
	}
	return ""
}

// library looks at each file that one of the needed libraries may be.
func (w *loading) library(of loaded, name string) string {
	own := append(expanded(of.path, of.Linked), w.search...)
	found, unread := false, error(nil)
	for i, at := range candidates(own, name, w.machine) {
		if w.seen[at] {
			found = true
			continue
		}
		is, err := w.files(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			unread = err
			continue
		case is.Machine != w.machine:
			continue
		}
		found = true
		if why := is.raises(at, i < len(own)); why != "" {
			return why
		}
		if w.seen[at] = true; len(w.seen) > mostLibraries {
			return "is linked with more libraries than any program is"
		}
		w.queue = append(w.queue, loaded{at, is})
	}
	switch {
	case unread != nil:
		return "is linked with " + name + ", which cannot be looked into: " + unread.Error()
	case !found:
		return "is linked with " + name + ", which is not where the dynamic linker usually looks, so nobody knows whether it raises"
	}
	return ""
}

// raises says why a library may raise. What libraries in the usual folders call by
// syscall(2) or dlopen(3), nearly all do for other purposes; one of the program's own
// may have it for this one.
func (l Linked) raises(at string, own bool) string {
	switch {
	case l.Raises != "":
		return "is linked with " + at + ", which calls " + l.Raises + ", to raise or to give up: the file does not tell"
	case own && l.Hides != "":
		return "is linked with " + at + ", a library of its own, which calls " + l.Hides + ", and that may be anything"
	}
	return ""
}

// expanded returns the folders that a file names, its own for $ORIGIN. What begins
// elsewhere than at the root folder is none.
func expanded(file string, l Linked) []string {
	var out []string
	for _, dir := range l.Search {
		for _, origin := range []string{"$ORIGIN", "${ORIGIN}"} {
			dir = strings.ReplaceAll(dir, origin, path.Dir(file))
		}
		if path.IsAbs(dir) {
			out = append(out, path.Clean(dir))
		}
	}
	return out
}

// candidates returns where a library may be: first those in the folders that files
// name, then those in the usual ones.
func candidates(own []string, name, machine string) []string {
	if strings.Contains(name, "/") {
		return []string{path.Clean("/" + name)}
	}
	var out []string
	for _, dir := range append(slices.Clone(own), usual(machine)...) {
		out = append(out, path.Join(dir, name))
	}
	return out
}

// multiarch is Debian's names for the folders of a machine's libraries.
var multiarch = map[string][]string{
	"EM_X86_64 ELFCLASS64":  {"x86_64-linux-gnu"},
	"EM_AARCH64 ELFCLASS64": {"aarch64-linux-gnu"},
	"EM_ARM ELFCLASS32":     {"arm-linux-gnueabihf", "arm-linux-gnueabi"},
	"EM_RISCV ELFCLASS64":   {"riscv64-linux-gnu"},
	"EM_S390 ELFCLASS64":    {"s390x-linux-gnu"},
	"EM_PPC64 ELFCLASS64":   {"powerpc64le-linux-gnu"},
	"EM_386 ELFCLASS32":     {"i386-linux-gnu"},
}

// usual is where ld.so(8) of glibc and of musl look, and what distributions add.
func usual(machine string) []string {
	out := []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"}
	for _, name := range multiarch[machine] {
		out = append(out, "/lib/"+name, "/usr/lib/"+name, "/usr/local/lib/"+name)
	}
	return out
}
