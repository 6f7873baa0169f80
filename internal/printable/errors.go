package printable

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// longest is how much of an error is shown, in bytes: a file name of the
// greatest length and what is wrong with it.
const longest = 6000

// Errors returns an error's text as lines: one for each that [errors.Join] has
// joined, on whatever level, cut to a sane length.
func Errors(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if parts := joined.Unwrap(); joins(err, parts) {
			var lines []string
			for _, part := range parts {
				lines = append(lines, Errors(part)...)
			}
			return lines
		}
	}
	return []string{Line(cut(err.Error()))}
}

// joins reports whether an error says just what its parts say, a line each.
// One that wraps several in a sentence does not.
func joins(err error, parts []error) bool {
	rest := err.Error()
	for i, part := range parts {
		var ok bool
		if i > 0 {
			if rest, ok = strings.CutPrefix(rest, "\n"); !ok {
				return false
			}
		}
		if rest, ok = strings.CutPrefix(rest, part.Error()); !ok {
			return false
		}
	}
	return rest == "" && len(parts) > 0
}

// cut shortens a text between two characters, and says by how much.
func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	end := longest
	for end > longest-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "... (" + strconv.Itoa(len(s)-end) + " bytes more)"
}
