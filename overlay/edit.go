package overlay

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/token"
	"slices"
)

// edits is changes of a text, by offsets in the text as it was. Those of the
// standard library's files add no lines, so that positions in traces stay true.
type edits []edit

type edit struct {
	from, to int
	text     string
}

func (e *edits) replace(fset *token.FileSet, n ast.Node, text string) {
	*e = append(*e, edit{fset.Position(n.Pos()).Offset, fset.Position(n.End()).Offset, text})
}

func (e *edits) cut(fset *token.FileSet, from, to token.Pos) {
	*e = append(*e, edit{fset.Position(from).Offset, fset.Position(to).Offset, ""})
}

func (e *edits) insert(fset *token.FileSet, at token.Pos, text string) {
	offset := fset.Position(at).Offset
	*e = append(*e, edit{offset, offset, text})
}

func (e edits) apply(text []byte) []byte {
	slices.SortStableFunc(e, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	last := 0
	for _, c := range e {
		out.Write(text[last:c.from])
		out.WriteString(c.text)
		last = c.to
	}
	out.Write(text[last:])
	return out.Bytes()
}
