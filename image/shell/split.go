package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Split splits one simple command, as a shell does it, into its words. ok is false
// where there is more to it: several commands, or words that are not known here.
func Split(text string) (words []string, ok bool) {
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil || len(file.Stmts) != 1 {
		return nil, false
	}
	call, ok := file.Stmts[0].Cmd.(*syntax.CallExpr)
	if !ok {
		return nil, false
	}
	r := reader{}
	w := way{variables: map[string]string{}}
	for _, a := range call.Assigns {
		value, known := r.one(a.Value, &w)
		if a.Name == nil || !known {
			return nil, false
		}
		words = append(words, a.Name.Value+"="+value)
	}
	more, known := r.words(call.Args, &w)
	return append(words, more...), known
}
