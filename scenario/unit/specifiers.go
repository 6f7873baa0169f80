package unit

import (
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// specifiers fills in what % stands for in the words of a unit (systemd.unit(5),
// "Specifiers"). unit is the unit's name with its instance; "" where it has none.
type specifiers struct {
	unit string
	tree tree
}

// expandable is the settings, besides ExecStart= and Environment=, in which systemd
// fills specifiers in.
var expandable = []string{
	"User", "Group", "SupplementaryGroups", "ExecSearchPath", "WorkingDirectory", "RootDirectory", "RootImage",
	"NetworkNamespacePath", "EnvironmentFile", "Sockets", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths",
	"ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem",
}

// expand fills specifiers in, other than in commands and variables, which are split
// into words first.
func (u *reader) expand() {
	for _, key := range expandable {
		list := u.assignments["Service."+key]
		for i := range list {
			list[i].value = u.name.in(list[i].value)
		}
	}
}

// all fills them in in words.
func (s specifiers) all(words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = s.in(word)
	}
	return out
}

// in fills them in. What is not known is left as it stands, and so is what systemd
// does not know either.
func (s specifiers) in(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if after == "" {
			b.WriteByte('%')
			return b.String()
		}
		value, known := s.value(after[0])
		if !known {
			value = "%" + after[:1]
		}
		b.WriteString(value)
		text = after[1:]
	}
}

// value is what one letter stands for, for the system's manager.
func (s specifiers) value(letter byte) (value string, known bool) {
	if value, ok := fixed[letter]; ok {
		return value, true
	}
	switch letter {
	case 'H', 'l', 'm':
		return s.ofMachine(letter)
	case 'n', 'N', 'p', 'P', 'i', 'I', 'j', 'J', 'f', 'd':
		return s.ofName(letter)
	default:
		return "", false
	}
}

// fixed is what is the same for every unit of the system's manager, which runs as
// root.
var fixed = map[byte]string{
	'%': "%", 'u': "root", 'U': "0", 'g': "root", 'G': "0", 'h': "/root", 't': "/run", 'S': "/var/lib", 'C': "/var/cache",
	'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
}

// ofName is what follows from the unit's name.
func (s specifiers) ofName(letter byte) (string, bool) {
	if s.unit == "" {
		return "", false
	}
	stem := strings.TrimSuffix(s.unit, path.Ext(s.unit))
	prefix, _, isTemplate := strings.Cut(stem, "@")
	instance, isInstance := instanceOf(s.unit)
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	switch letter {
	case 'p':
		return prefix, true
	case 'P':
		return unescapeName(prefix), true
	case 'j':
		return last, true
	case 'J':
		return unescapeName(last), true
	}
	if isTemplate && !isInstance {
		return "", false
	}
	switch letter {
	case 'n':
		return s.unit, true
	case 'N':
		return stem, true
	case 'i':
		return instance, true
	case 'I':
		return unescapeName(instance), true
	case 'd':
		return "/run/credentials/" + s.unit, true
	default: // f
		if instance == "" {
			instance = prefix
		}
		return "/" + strings.TrimPrefix(unescapeName(instance), "/"), true
	}
}

// ofMachine is what the machine says of itself.
func (s specifiers) ofMachine(letter byte) (string, bool) {
	if letter == 'm' {
		id, err := s.tree.read("/etc/machine-id")
		return strings.TrimSpace(string(id)), err == nil
	}
	name, err := os.Hostname()
	if !s.tree.here() {
		var text []byte
		text, err = s.tree.read("/etc/hostname")
		name = strings.TrimSpace(string(text))
	}
	if letter == 'l' {
		name, _, _ = strings.Cut(name, ".")
	}
	return name, err == nil && name != ""
}

// unescapeName undoes the escapes of unit names: - stands for /, and \x2d for a byte
// (unit_name_unescape of basic/unit-name.c).
func unescapeName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '-':
			b.WriteByte('/')
		case name[i] == '\\' && i+3 < len(name) && name[i+1] == 'x':
			n, err := strconv.ParseUint(name[i+2:i+4], 16, 8)
			if err != nil {
				b.WriteByte(name[i])
				continue
			}
			b.WriteByte(byte(n))
			i += 3
		default:
			b.WriteByte(name[i])
		}
	}
	return b.String()
}

// needsInstance reports whether a word is left with a specifier that only an
// instance has.
func (s specifiers) needsInstance(word string) bool {
	if _, known := s.value('i'); known {
		return false
	}
	for _, specifier := range []string{"%i", "%I", "%n", "%N", "%f"} {
		if strings.Contains(word, specifier) {
			return true
		}
	}
	return false
}

// withoutInstance adds what is not known of a template without an instance: whom it
// runs as, and what it executes.
func (u *reader) withoutInstance(start *scenario.Start) {
	r := &start.Request
	what := "the instance of " + start.Name
	if u.name.needsInstance(r.Entrypoint[0]) {
		unknownFile(start, scenario.FactInstance, what)
	}
	if !u.name.needsInstance(r.User + strings.Join(r.Groups, " ")) {
		return
	}
	r.User, r.Groups = "", nil
	user := func(id uint32) func(*scenario.Start) {
		return func(s *scenario.Start) { s.Settings.UID, s.Settings.GID = id, id }
	}
	const somebody = 65532 // an ordinary user
	user(somebody)(start)
	start.Unsure(scenario.Unknown{
		Fact: scenario.FactInstance, What: what, Settle: "-f " + strings.Replace(start.Name, "@", "@INSTANCE", 1),
		Cases: []scenario.Case{
			{If: "the instance is an ordinary user", Set: user(somebody)},
			{If: "the instance is root", Set: user(0)},
			{If: "the instance is no user of the machine", Set: func(s *scenario.Start) {
				s.Refused = &scenario.Refusal{Cause: scenario.CauseUnknownUser, Reason: "the instance is no user of the machine (217/USER)"}
			}},
		},
	})
}
