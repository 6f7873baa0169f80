package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// environment is the variables of a unit, as far as they are known.
type environment struct {
	values map[string]string
	// open names those that systemd, or a file that was not read, may set; with
	// openAll any that is not in values.
	open    []string
	openAll bool
}

// setBySystemd is the variables that systemd sets for a program (systemd.exec(5),
// "Environment Variables Set or Propagated by the Service Manager").
var setBySystemd = []string{
	"PATH", "LANG", "USER", "LOGNAME", "HOME", "SHELL", "INVOCATION_ID", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY",
	"STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY",
	"MAINPID", "MANAGERPID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID",
	"WATCHDOG_USEC", "SYSTEMD_EXEC_PID", "TERM", "JOURNAL_STREAM", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
}

// environment reads Environment= and EnvironmentFile=, of which the files count more.
func (u *reader) environment() environment {
	e := environment{values: map[string]string{}, open: slices.Clone(setBySystemd)}
	for _, a := range u.list("Service.Environment") {
		words, _ := splitWords(a.value) // what is broken sets nothing
		if !u.transient {
			words = u.name.all(words)
		}
		for _, word := range words {
			if name, value, ok := strings.Cut(word, "="); ok {
				e.values[name] = value
			}
		}
	}
	for _, a := range u.list("Service.PassEnvironment") {
		e.open = append(e.open, strings.Fields(a.value)...)
	}
	for _, a := range u.list("Service.EnvironmentFile") {
		name := strings.TrimPrefix(a.value, "-")
		i := slices.IndexFunc(u.variables, func(f File) bool { return f.Name == name })
		if i < 0 {
			e.openAll = e.openAll || name == a.value
			continue
		}
		e.read(u.variables[i].Text)
	}
	for _, a := range u.list("Service.UnsetEnvironment") {
		for word := range strings.FieldsSeq(a.value) {
			name, value, ofValue := strings.Cut(word, "=")
			if !ofValue || e.values[name] == value {
				delete(e.values, name)
				e.open = slices.DeleteFunc(e.open, func(o string) bool { return o == name })
			}
		}
	}
	return e
}

// read reads a file of variables.
func (e *environment) read(text string) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") || strings.HasPrefix(name, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		e.values[strings.TrimSpace(name)] = value
	}
}

// value returns what a variable stands for; known is false where it may be set and
// with what is not known.
func (e *environment) value(name string) (value string, known bool) {
	value, set := e.values[name]
	return value, set || !e.openAll && !slices.Contains(e.open, name)
}

// replace fills variables in, as replace_env_argv of basic/env-util.c does: a word
// that is $NAME becomes the words of its value, ${NAME} within a word its value, and
// $$ a dollar sign. The program itself is taken as it stands. What is not known
// stays.
func (e *environment) replace(args []string) []string {
	out := []string{args[0]}
	for _, word := range args[1:] {
		name, whole := strings.CutPrefix(word, "$")
		if !whole || strings.HasPrefix(name, "$") || strings.HasPrefix(name, "{") {
			out = append(out, e.within(word))
			continue
		}
		value, known := e.value(name)
		if !known {
			out = append(out, word)
			continue
		}
		words, err := splitWords(value)
		if err != nil {
			words = strings.Fields(value)
		}
		out = append(out, words...)
	}
	return out
}

// within fills in ${NAME} and $$ in a word.
func (e *environment) within(word string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(word, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, rest, closed := strings.Cut(strings.TrimPrefix(after, "{"), "}")
		value, known := e.value(name)
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			word = after[1:]
		case strings.HasPrefix(after, "{") && closed && known && isName(name):
			b.WriteString(value)
			word = rest
		default:
			b.WriteByte('$')
			word = after
		}
	}
}

// isName reports whether a text is the name of a variable. There are no other forms:
// ${NAME:-TEXT} stands as it is.
func isName(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// variables reads the files of EnvironmentFile=.
func (f *finder) variables(u *Unit) error {
	r, err := readerOf(u)
	if err != nil {
		return err
	}
	for _, a := range r.list("Service.EnvironmentFile") {
		name := strings.TrimPrefix(a.value, "-")
		found, err := f.read(name)
		switch {
		case err == nil:
			u.Variables = append(u.Variables, File{Name: name, Text: string(found.text)})
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			u.Notes = append(u.Notes, fmt.Sprintf("EnvironmentFile=: %v", err))
		case name == a.value:
			u.Notes = append(u.Notes, fmt.Sprintf("EnvironmentFile=%s cannot be read here; systemd does not start the unit without it", f.tree.shown(name)))
		}
	}
	return nil
}
