package aware

import "slices"

// known is a program of which it was seen what it does where it needs a capability that
// its file only permits, started as a user other than root.
type known struct {
	name   string
	answer Answer
	// runsCode is [Result].RunsCode.
	runsCode bool
	// raises is the functions to raise with that it calls, as [mayRaise] names them,
	// and "" for none: a program that calls others is another one, or another version.
	raises []string
	// What identifies it: all names that it exports and imports, and all texts
	// among its constants. The name of its file does not count.
	exports, imports, texts []string
}

// recognize says what is known of the program.
func recognize(f *program, s symbols, raises string) (Result, bool) {
	var may []known
	var texts []string
	for _, k := range programs {
		same := raises == "" && len(k.raises) == 0 || slices.Contains(k.raises, raises)
		if same && all(s.exports, k.exports) && all(s.imports, k.imports) {
			may, texts = append(may, k), append(texts, k.texts...)
		}
	}
	found := f.find(".rodata", texts)
	for _, k := range may {
		if !all(found, k.texts) {
			continue
		}
		if k.answer == Aware {
			return Result{Answer: Aware, Evidence: "is " + k.name + ", which raises"}, true
		}
		return Result{Answer: Dumb, Evidence: "is " + k.name + ", which does not raise", RunsCode: k.runsCode}, true
	}
	return Result{}, false
}

// all reports whether all of the wanted names are among the names.
func all(names, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(names, w) })
}
