package unit

import (
	"fmt"
	"slices"
	"strings"
)

// File is the text of a unit file or of a drop-in.
type File struct {
	Name string // its path, for messages
	Text string
}

// assignment is one line KEY=VALUE.
type assignment struct {
	value string
	file  string
	line  int // where it begins, from 1
}

// String names the place.
func (a assignment) String() string {
	if a.line == 0 {
		return a.file // a flag of systemd-run
	}
	return fmt.Sprintf("%s:%d", a.file, a.line)
}

// settings is what the files of a unit say: the assignments of each key, in
// order. Keys are written as Section.Key.
type settings struct {
	assignments map[string][]assignment
	notes       []string
}

// note adds a line, once.
func (s *settings) note(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(s.notes, line) {
		s.notes = append(s.notes, line)
	}
}

// read adds a file. Lines that systemd warns of and passes over are noted.
func (s *settings) read(f File) error {
	section, number := "", 0
	rest := strings.TrimPrefix(f.Text, "\ufeff")
	for rest != "" {
		var text string
		var first, used int
		text, first, used, rest = logicalLine(rest, number+1)
		number += used
		switch {
		case text == "":
		case text[0] == '[':
			name, ok := strings.CutSuffix(text[1:], "]")
			if !ok {
				return fmt.Errorf("%s:%d: section %q does not end with ]", f.Name, first, text)
			}
			section = name
		default:
			s.assign(section, text, assignment{file: f.Name, line: first})
		}
	}
	return nil
}

// assign adds a line that is neither empty nor a section.
func (s *settings) assign(section, text string, a assignment) {
	key, value, ok := strings.Cut(text, "=")
	switch {
	case !ok:
		s.note("%s: a line without =, which systemd passes over", a)
	case section == "":
		s.note("%s: an assignment before any section, which systemd passes over", a)
	default:
		a.value = strings.TrimSpace(value)
		name := section + "." + strings.TrimSpace(key)
		if newer := olderNames[name]; newer != "" {
			name = newer
		}
		s.assignments[name] = append(s.assignments[name], a)
	}
}

// logicalLine takes a line with its continuations off text, which begins at line
// number. Comments between continued lines are no part of it. It returns the
// number of its first line, and how many were used.
func logicalLine(text string, number int) (line string, first, used int, rest string) {
	var b strings.Builder
	first = number
	for text != "" {
		physical, after, _ := strings.Cut(text, "\n")
		text = after
		used++
		trimmed := strings.TrimSpace(physical)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			if b.Len() == 0 {
				first = number + used
			}
			continue
		}
		content, continued := cutContinuation(strings.TrimRight(physical, "\r"))
		b.WriteString(strings.TrimLeft(content, " \t"))
		if !continued {
			break
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String()), first, used, text
}

// cutContinuation cuts the backslash that continues a line. One that is escaped
// itself does not.
func cutContinuation(line string) (string, bool) {
	n := len(line) - len(strings.TrimRight(line, `\`))
	if n%2 == 0 {
		return line, false
	}
	return line[:len(line)-1], true
}

// last returns the assignment that counts of a key that has one value.
func (s *settings) last(key string) (a assignment, given bool) {
	list := s.assignments[key]
	if len(list) == 0 {
		return assignment{}, false
	}
	a = list[len(list)-1]
	return a, a.value != ""
}

// value returns the text of a key that has one value; "" if there is none.
func (s *settings) value(key string) string {
	a, _ := s.last(key)
	return a.value
}

// list returns the assignments that count of a key that is a list: those behind
// the last empty one.
func (s *settings) list(key string) []assignment {
	list := s.assignments[key]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].value == "" {
			return list[i+1:]
		}
	}
	return list
}

// isSet reports whether a key has any value, other than a plain no.
func (s *settings) isSet(key string) bool {
	list := s.list(key)
	if len(list) == 0 {
		return false
	}
	on, isBool := parseBool(list[len(list)-1].value)
	return !isBool || on
}

// enabled returns the value of a switch. What is none counts as not said.
func (s *settings) enabled(key string) bool {
	a, given := s.last(key)
	on, ok := parseBool(a.value)
	if given && !ok {
		s.note("%s: %q is neither yes nor no, so systemd passes over it", a, a.value)
	}
	return on
}

// parseBool reads a boolean of systemd.
func parseBool(text string) (on, ok bool) {
	switch strings.ToLower(text) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	default:
		return false, false
	}
}
