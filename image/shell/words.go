package shell

import (
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// words expands words. known is false where one of them is not known; those before it
// are returned all the same.
func (r *reader) words(list []*syntax.Word, w *way) (out []string, known bool) {
	for _, word := range list {
		fields, known := r.fields(word, w)
		if !known {
			return out, false
		}
		out = append(out, fields...)
	}
	return out, true
}

// fields expands a word to what it becomes: one field, or, of "$@", several.
func (r *reader) fields(word *syntax.Word, w *way) ([]string, bool) {
	if isParameters(word) {
		return slices.Clone(w.args), w.known
	}
	value, known := r.one(word, w)
	if known && value == "" && !quoted(word) {
		return nil, true // an empty expansion is no field
	}
	return []string{value}, known
}

// isParameters reports whether a word is "$@", $@ or ${1+"$@"}.
func isParameters(word *syntax.Word) bool {
	if len(word.Parts) != 1 {
		return false
	}
	part := word.Parts[0]
	if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
		part = q.Parts[0]
	}
	p, ok := part.(*syntax.ParamExp)
	if !ok || p.Length || p.Slice != nil || p.Repl != nil {
		return false
	}
	if p.Exp != nil {
		return p.Param.Value == "1" && p.Exp.Op == syntax.AlternateUnset && p.Exp.Word != nil && isParameters(p.Exp.Word)
	}
	return p.Param.Value == "@" || p.Param.Value == "*"
}

func quoted(word *syntax.Word) bool {
	return slices.ContainsFunc(word.Parts, func(p syntax.WordPart) bool {
		switch p.(type) {
		case *syntax.SglQuoted, *syntax.DblQuoted:
			return true
		}
		return false
	})
}

// one expands a word to one text. What would be split, or matched with files, is not
// known.
func (r *reader) one(word *syntax.Word, w *way) (string, bool) {
	if word == nil {
		return "", true
	}
	var b strings.Builder
	for _, part := range word.Parts {
		text, known := r.part(part, w)
		if _, literal := part.(*syntax.Lit); !known || !literal && !quoted(word) && strings.ContainsAny(text, " \t\n") {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

func (r *reader) part(part syntax.WordPart, w *way) (string, bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		return strings.ReplaceAll(p.Value, `\`, ""), true
	case *syntax.SglQuoted:
		return p.Value, !p.Dollar
	case *syntax.DblQuoted:
		var b strings.Builder
		for _, inner := range p.Parts {
			text, known := r.part(inner, w)
			if !known {
				return "", false
			}
			b.WriteString(text)
		}
		return b.String(), true
	case *syntax.ParamExp:
		return r.parameter(p, w)
	case *syntax.CmdSubst:
		return r.output(p)
	default:
		return "", false
	}
}

// output is what a command prints, if it is one that says whom the script runs as.
func (r *reader) output(c *syntax.CmdSubst) (string, bool) {
	if len(c.Stmts) != 1 || r.uid == nil {
		return "", false
	}
	call, ok := c.Stmts[0].Cmd.(*syntax.CallExpr)
	if !ok {
		return "", false
	}
	var words []string
	for _, a := range call.Args {
		words = append(words, a.Lit())
	}
	switch strings.Join(words, " ") {
	case "id -u", "id -ru":
		return strconv.FormatUint(uint64(*r.uid), 10), true
	case "whoami", "id -un", "id -nu":
		return "root", *r.uid == 0
	default:
		return "", false
	}
}

// parameter expands $1, ${NAME:-default} and the like. A variable that the script has
// not set is that of the environment, which is not known.
func (r *reader) parameter(p *syntax.ParamExp, w *way) (string, bool) {
	if p.Index != nil || p.Repl != nil || p.Excl || p.Width {
		return "", false
	}
	value, known := r.variable(p.Param.Value, w)
	if p.Length {
		return strconv.Itoa(len(value)), known
	}
	if p.Slice != nil {
		return slice(p.Slice, value, known)
	}
	if p.Exp == nil || !known {
		return value, known
	}
	word, wordKnown := r.one(p.Exp.Word, w)
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull:
		if value == "" {
			return word, wordKnown
		}
		return value, true
	case syntax.DefaultUnset, syntax.AssignUnset, syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return value, true
	case syntax.RemSmallPrefix, syntax.RemLargePrefix:
		return strings.TrimPrefix(value, word), wordKnown && !strings.ContainsAny(word, "*?[")
	case syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return strings.TrimSuffix(value, word), wordKnown && !strings.ContainsAny(word, "*?[")
	default:
		return "", false
	}
}

// slice is ${NAME:OFFSET:LENGTH}.
func slice(s *syntax.Slice, value string, known bool) (string, bool) {
	number := func(x syntax.ArithmExpr) (int, bool) {
		word, ok := x.(*syntax.Word)
		if !ok {
			return 0, false
		}
		n, err := strconv.Atoi(word.Lit())
		return n, err == nil && n >= 0
	}
	from, ok := number(s.Offset)
	if !ok || !known {
		return "", false
	}
	value = value[min(from, len(value)):]
	if s.Length == nil {
		return value, true
	}
	n, ok := number(s.Length)
	return value[:min(n, len(value))], ok
}

func (r *reader) variable(name string, w *way) (string, bool) {
	switch name {
	case "0", "BASH_SOURCE":
		return r.script, true
	case "#":
		return strconv.Itoa(len(w.args)), w.known
	case "@", "*":
		return strings.Join(w.args, " "), w.known
	case "UID", "EUID":
		if r.uid == nil {
			return "", false
		}
		return strconv.FormatUint(uint64(*r.uid), 10), true
	}
	if n, err := strconv.Atoi(name); err == nil {
		if !w.known || n < 1 {
			return "", false
		}
		if n > len(w.args) {
			return "", true
		}
		return w.args[n-1], true
	}
	value, known := w.variables[name]
	return value, known
}
