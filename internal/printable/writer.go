package printable

import (
	"io"
	"strings"
)

// Writer writes text, in which newlines and tabs stay, and escapes what else
// [Line] would escape. Each call has whole characters.
type Writer struct {
	w io.Writer
	e escaper
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, e: escaper{keep: "\n\t", lineStart: true}}
}

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) {
	var b strings.Builder
	w.e.escape(&b, string(p))
	if _, err := io.WriteString(w.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw returns what is below a [Writer], for text that a format of its own makes
// harmless (JSON), or [Styled] did; any other writer as it is.
func Raw(w io.Writer) io.Writer {
	if p, ok := w.(*Writer); ok {
		return p.w
	}
	return w
}

// Styled returns lines of text as a [Writer] would write them, but that the
// escape sequences stay which colour text.
func Styled(text string) string {
	var b strings.Builder
	e := escaper{keep: "\n\t", lineStart: true}
	for {
		before, rest, found := strings.Cut(text, "\x1b[")
		e.escape(&b, before)
		if !found {
			return b.String()
		}
		colour := strings.TrimLeft(rest, "0123456789;")
		if strings.HasPrefix(colour, "m") {
			b.WriteString("\x1b[" + rest[:len(rest)-len(colour)+1])
			text = colour[1:]
		} else {
			e.escape(&b, "\x1b[")
			text = rest
		}
	}
}
