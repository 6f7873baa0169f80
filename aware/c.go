package aware

import (
	"errors"
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

// detectC looks at what an ELF program is linked with.
func detectC(f *program) Result {
	symbols, err := f.symbols()
	needed, _, errNeeded := f.dynamic()
	static := errNeeded == nil && len(needed) == 0
	if err = errors.Join(err, errNeeded); err != nil && !static {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("what it calls cannot be read: %v", err)}
	}
	if static {
		if r, ok := recognize(f, symbols, mayRaise(symbols.imports)); ok {
			return r
		}
		return Result{Answer: Unknown, Evidence: "a static program, which does not show what it calls"}
	}
	raises := mayRaise(symbols.imports)
	if r, ok := recognize(f, symbols, raises); ok {
		return r
	}
	if raises != "" {
		return Result{Answer: Unknown, Evidence: "calls " + raises + ", to raise or to give up: the file does not tell"}
	}
	if hides := first(symbols.imports, anything); hides != "" {
		return Result{Answer: Unknown, Evidence: "calls " + hides + ", which may be anything"}
	}
	linked, err := linkedOf(f)
	if err != nil {
		return Result{Answer: Unknown, Evidence: fmt.Sprintf("what it is linked with cannot be read: %v", err)}
	}
	return Result{Answer: Dumb, Evidence: cannotRaise(symbols.imports, needed), RunsCode: first(symbols.imports, interpreters) != "", Linked: &linked}
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

// first returns the first of the wanted names that is among the names, or "".
func first(names, wanted []string) string {
	for _, w := range wanted {
		if slices.Contains(names, w) {
			return w
		}
	}
	return ""
}
