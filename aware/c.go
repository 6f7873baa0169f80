package aware

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// group is functions that raise capabilities only together: some make a set, and
// others apply it. Without the ones the others can only give up.
type group struct{ make, apply []string }

// groups is by which functions C programs may raise. All of them serve as well
// for giving up all but a few capabilities, which most programs use them for.
var groups = []group{
	{nil, []string{"capset", "capsetp", "cap_iab_set_proc", "cap_set_mode", "cap_setuid", "cap_launch"}},
	{
		[]string{"cap_set_flag", "cap_from_text", "cap_fill", "cap_fill_flag", "cap_copy_int", "cap_copy_int_check"},
		[]string{"cap_set_proc"},
	},
	{
		[]string{"capng_update", "capng_updatev", "capng_fill", "capng_restore_state"},
		[]string{"capng_apply", "capng_change_id"},
	},
}

var (
	// lower is functions that can only give up, unless one of the groups is complete.
	lower = []string{"cap_set_proc", "cap_drop_bound", "cap_reset_ambient", "capng_apply", "capng_change_id", "capng_lock"}
	// anything is functions that hide what is called.
	anything  = []string{"syscall", "dlopen", "dlsym", "dlvsym"}
	libraries = []string{"libcap.so", "libcap-ng.so"}
)

// programs is those that use functions that may raise, and of which it was seen
// whether they do where they need it, started as a user other than root from a
// file with permitted capabilities (docs/scan.md; TestRealCases of test/e2e starts
// those of Debian 12). They are known by a text in them, and a function that they
// call. The first that fits counts.
var programs = []struct {
	text, calls, name string
	answer            Answer
}{
	{"  ping [options] <destination>", "cap_set_flag", "ping of iputils", Aware},
	// From 4.4 on, or earlier, it asks what it is permitted; 4.0 does not.
	{"Usage: dumpcap [options]", "cap_get_flag", "dumpcap", Aware},
	{"Usage: dumpcap [options]", "cap_set_flag", "dumpcap", Dumb},
	{"\x00nginx version: nginx/", "dlopen", "nginx", Dumb},
}

// mostText is more than the texts of those programs take.
const mostText = 4 << 20

// detectC looks at what an ELF program is linked with.
func detectC(f *elf.File) Result {
	needed, errNeeded := f.ImportedLibraries()
	symbols, errSymbols := f.ImportedSymbols()
	if errNeeded != nil && errSymbols != nil || len(needed) == 0 {
		return Result{Answer: Unknown, Evidence: "a static program, which does not show what it calls"}
	}
	if errSymbols != nil {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("what it calls cannot be read: %v", errSymbols)}
	}
	imports := namesOf(symbols)
	why := "calls " + mayRaise(imports) + ", to raise or to give up: the file does not tell"
	if mayRaise(imports) == "" {
		hides := first(imports, anything)
		if hides == "" {
			return Result{Answer: Dumb, Evidence: cannotRaise(imports, needed)}
		}
		why = "calls " + hides + ", which may be anything"
	}
	if r, ok := detectProgram(f, imports); ok {
		return r
	}
	return Result{Answer: Unknown, Evidence: why}
}

func namesOf(symbols []elf.ImportedSymbol) []string {
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
	}
	return names
}

// mayRaise names the functions by which a program may raise capabilities; "" if
// it has none.
func mayRaise(imports []string) string {
	for _, g := range groups {
		makes, applies := first(imports, g.make), first(imports, g.apply)
		switch {
		case applies == "", makes == "" && g.make != nil:
		case makes == "":
			return applies
		default:
			return makes + " and " + applies
		}
	}
	return ""
}

// cannotRaise is the evidence for a program that has no function to raise with.
func cannotRaise(imports, needed []string) string {
	if name := first(imports, lower); name != "" {
		return "calls " + name + " to give capabilities up, and nothing that raises them"
	}
	for _, lib := range needed {
		if slices.ContainsFunc(libraries, func(known string) bool { return strings.HasPrefix(lib, known) }) {
			return "is linked with " + lib + ", and calls nothing in it that raises"
		}
	}
	return "is linked with neither libcap nor libcap-ng, and does not call capset"
}

// detectProgram looks for a program that is known.
func detectProgram(f *elf.File, imports []string) (r Result, ok bool) {
	section := f.Section(".rodata")
	if section == nil || section.Size > mostText {
		return Result{}, false
	}
	text, err := section.Data()
	if err != nil {
		return Result{}, false
	}
	for _, p := range programs {
		if !slices.Contains(imports, p.calls) || !bytes.Contains(text, []byte(p.text)) {
			continue
		}
		if p.answer == Aware {
			return Result{Answer: Aware, Evidence: "is " + p.name + ", which raises"}, true
		}
		return Result{Answer: Dumb, Evidence: "is " + p.name + ", which does not raise"}, true
	}
	return Result{}, false
}

// first returns the first of the wanted names that is among the names, or "".
func first(names, wanted []string) string {
	for _, w := range wanted {
		if slices.Contains(names, w) {
			return w
		}
	}
	return ""
}
