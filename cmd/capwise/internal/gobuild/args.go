package gobuild

import (
	"path/filepath"
	"slices"
	"strings"
)

// valued is the build flags of the go command whose value may be the next
// argument ("go help build", "go help testflag").
var valued = []string{
	"C", "o", "p", "asmflags", "buildmode", "compiler", "covermode", "coverpkg", "gccgoflags", "gcflags", "installsuffix",
	"ldflags", "mod", "modfile", "overlay", "pgo", "pkgdir", "tags", "toolexec", "exec", "vet", "godebug",
	"bench", "benchtime", "blockprofile", "blockprofilerate", "count", "coverprofile", "cpu", "cpuprofile", "fuzz",
	"fuzzminimizetime", "fuzztime", "list", "memprofile", "memprofilerate", "mutexprofile", "mutexprofilefraction",
	"outputdir", "parallel", "run", "shuffle", "skip", "testlogfile", "timeout", "trace",
}

// arguments is what follows "go build" and the like.
type arguments struct {
	dir     string   // of -C, "" for none
	out     string   // of -o
	overlay string   // of -overlay
	flags   []string // the others, as they were
	rest    []string // packages, and for "go run" the program's arguments
}

// parse takes the arguments apart as the go command does.
func parse(args []string) arguments {
	var a arguments
	for len(args) > 0 {
		name, value, hasValue := flag(args[0])
		if name == "" || name == "args" { // what follows is the test's own
			break
		}
		given := args[:1]
		if !hasValue && slices.Contains(valued, name) && len(args) > 1 {
			given, value, hasValue = args[:2], args[1], true
		}
		args = args[len(given):]
		switch {
		case name == "C" && hasValue:
			a.dir = value
		case name == "o" && hasValue:
			a.out = value
		case name == "overlay" && hasValue:
			a.overlay = value
		default: // also a flag that lacks its value, for the go command to say so
			a.flags = append(a.flags, given...)
		}
	}
	a.rest = args
	return a
}

// inRoot reports whether a package or a file of the arguments lies in the root
// folder itself. They are given to the verb in dir.
func (a arguments) inRoot(verb, dir string) bool {
	rest := a.rest
	switch {
	case len(rest) == 0:
		rest = []string{"."}
	case verb == "run": // the others may be the program's
		rest = rest[:1]
	}
	for _, name := range rest {
		switch {
		case strings.HasPrefix(name, "-"): // the test's own arguments
			return false
		case strings.HasSuffix(name, ".go"):
			name = filepath.Dir(name)
		case !strings.HasPrefix(name, ".") && !filepath.IsAbs(name):
			continue // an import path
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if filepath.Clean(strings.TrimSuffix(name, "...")) == "/" {
			return true
		}
	}
	return false
}

// flag takes -name, --name or -name=value apart; name is "" for another argument.
func flag(arg string) (name, value string, hasValue bool) {
	name = strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	if len(arg) < 2 || name == arg || name == "" {
		return "", "", false
	}
	return strings.Cut(name, "=")
}

// split takes GOFLAGS apart as the go command does: quotes are around a flag and
// its value.
func split(s string) []string {
	var fields []string
	for {
		if s = strings.TrimLeft(s, " \t\n\r"); s == "" {
			return fields
		}
		end := " \t\n\r"
		if s[0] == '"' || s[0] == '\'' {
			s, end = s[1:], s[:1]
		}
		i := strings.IndexAny(s, end)
		if i < 0 {
			return append(fields, s)
		}
		fields, s = append(fields, s[:i]), s[i+1:]
	}
}

// value returns the value of a flag among the others; the last one counts. That
// of a boolean flag is "true".
func (a *arguments) value(name string) string {
	found := ""
	for i, arg := range a.flags {
		n, value, hasValue := flag(arg)
		if n != name {
			continue
		}
		switch {
		case hasValue:
			found = value
		case !slices.Contains(valued, name):
			found = "true"
		case i+1 < len(a.flags):
			found = a.flags[i+1]
		}
	}
	return found
}

// without returns the other flags but for some that have no value.
func (a *arguments) without(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(a.flags), func(arg string) bool {
		name, _, _ := flag(arg)
		return slices.Contains(names, name)
	})
}

// FlagOf returns the first flag in the arguments of "go build" that has one of the
// names, as it was given; "" if there is none.
func FlagOf(args []string, names ...string) string {
	for _, arg := range parse(args).flags {
		if name, _, _ := flag(arg); slices.Contains(names, name) {
			return arg
		}
	}
	return ""
}

// line returns the arguments again, with another overlay.
func (a *arguments) line(verb, overlay string) []string {
	line := []string{verb}
	if a.dir != "" { // which the go command wants first
		line = append(line, "-C="+a.dir)
	}
	line = append(line, "-overlay="+overlay)
	if a.out != "" {
		line = append(line, "-o="+a.out)
	}
	line = append(line, a.flags...)
	return append(line, a.rest...)
}
