// Package printable shows text of others (names in images, trees, manifests,
// units and processes, and errors that contain them) such that it can neither
// command a terminal, nor reorder or hide what stands beside it, nor begin a line
// that looks like one of this program's own or like an order to a CI system.
//
// [Name] and [Line] are for the places where text is put together, since only
// there a newline of a name can be told from the end of a line. [Writer] stands
// behind them at the doors, for what a place has forgotten. Text that is
// printable stays byte for byte.
package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name returns a name as it is shown: as it is, or quoted as a Go string if it
// holds anything that [Line] would escape, as ls(1) quotes.
func Name(s string) string {
	if clean(s) {
		return s
	}
	return Line(strconv.Quote(s))
}

// Line returns text with names of others in it as one line. What is not
// printable is escaped as in a Go string: controls (newline and tab among them),
// C1 controls, bytes that are no UTF-8, spaces but for " ", and the characters that
// only format (bidirectional marks, zero-width ones); so is the first character of
// what GitHub, Azure or TeamCity would obey: "::" at the beginning, "##[" anywhere.
func Line(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	e := escaper{lineStart: true}
	e.escape(&b, s)
	return b.String()
}

// Names returns each name as [Name] does, with spaces between, such as the
// words of a command.
func Names(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = Name(name)
	}
	return strings.Join(shown, " ")
}

// clean reports whether nothing in s wants an escape.
func clean(s string) bool {
	for i, r := range s {
		if !strconv.IsPrint(r) || r == utf8.RuneError && invalid(s[i:]) || r == '#' && order(s[i:]) {
			return false
		}
	}
	return !strings.HasPrefix(strings.TrimLeft(s, " "), "::")
}

// invalid reports whether s begins with a byte that is no UTF-8.
func invalid(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n == 1
}

// order reports whether s begins with an order to a CI system: "##[", or "##"
// with a word before the bracket. These count anywhere in a line.
func order(s string) bool {
	rest, ok := strings.CutPrefix(s, "##")
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return strings.HasPrefix(rest, "[")
}

// escaper escapes text that comes in pieces.
type escaper struct {
	// keep is characters that are not printable and stay.
	keep string
	// lineStart says that nothing but spaces was in the line so far.
	lineStart bool
}

// escape writes s to b with escapes. What it has escaped once, it leaves alone.
func (e *escaper) escape(b *strings.Builder, s string) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			hex(b, s[i])
		case e.lineStart && strings.HasPrefix(s[i:], "::"), r == '#' && order(s[i:]):
			hex(b, s[i])
		case strconv.IsPrint(r), strings.ContainsRune(e.keep, r):
			b.WriteString(s[i : i+n])
		default:
			quoted := strconv.Quote(s[i : i+n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		e.lineStart = r == '\n' && strings.ContainsRune(e.keep, r) || e.lineStart && r == ' '
		i += n
	}
}

// hex writes a byte as an escape.
func hex(b *strings.Builder, c byte) {
	const digits = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}
