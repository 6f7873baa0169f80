// Package flags splits command lines whose flags are not all known: the
// commands of Docker and Podman, and systemd-run. They have the rules of their
// libraries (pflag, getopt_long) in common: clusters such as -itd, values with =
// or without, and nothing behind the first operand.
package flags

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Syntax is the flags of a command.
type Syntax struct {
	// Values and Bools are the flags with and without a value, by their long
	// names.
	Values, Bools map[string]bool
	// Short is the long names by the short ones.
	Short map[byte]string
	// Abbreviates says that a long flag may be cut short (getopt_long).
	Abbreviates bool
	// commands is the operands that can only be a command.
	commands map[string]bool
}

// New returns the syntax with these flags. They are written as words, a short
// form before a colon: "e:env". An operand that is one of commands is never
// taken for the value of an unknown flag.
func New(values, bools string, commands ...string) Syntax {
	s := Syntax{Values: map[string]bool{}, Bools: map[string]bool{}, Short: map[byte]string{}, commands: map[string]bool{}}
	for _, name := range commands {
		s.commands[name] = true
	}
	add := func(words string, to map[string]bool) {
		for word := range strings.FieldsSeq(words) {
			if short, name, ok := strings.Cut(word, ":"); ok {
				s.Short[short[0]], word = name, name
			}
			to[word] = true
		}
	}
	add(values, s.Values)
	add(bools, s.Bools)
	return s
}

// Options is what the flags of a command line say: each flag's values in
// order, by its long name.
type Options map[string][]string

// Last returns the value that counts for a flag that takes one.
func (o Options) Last(name string) string {
	if v := o[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Has reports whether the flag was given.
func (o Options) Has(name string) bool { return len(o[name]) > 0 }

// Enabled returns the value of a flag without an argument.
func (o Options) Enabled(name string) (bool, error) {
	v := o.Last(name)
	if v == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("--%s=%s: want true or false", name, v)
	}
	return on, nil
}

// Line is a command line taken apart.
type Line struct {
	Options Options
	Rest    []string // behind the flags
	Behind  []string // behind "--", of [Syntax.ParseAll]
	// Notes says which flags are unknown, and what they were taken for.
	Notes []string

	syntax Syntax
}

// Parse takes the flags off args, up to the first operand or "--".
func (s Syntax) Parse(args []string) (Line, error) {
	p := Line{syntax: s, Options: Options{}, Rest: args}
	for len(p.Rest) > 0 {
		arg := p.Rest[0]
		if arg == "--" {
			p.Rest = p.Rest[1:]
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			break
		}
		p.Rest = p.Rest[1:]
		var err error
		if strings.HasPrefix(arg, "--") {
			err = p.long(arg[2:])
		} else {
			err = p.cluster(arg[1:])
		}
		if err != nil {
			return Line{}, err
		}
	}
	return p, nil
}

func (p *Line) set(name, value string) { p.Options[name] = append(p.Options[name], value) }

// long takes a flag with two dashes.
func (p *Line) long(text string) error {
	name, value, given := strings.Cut(text, "=")
	name = p.syntax.whole(name)
	switch {
	case !p.syntax.Values[name] && !p.syntax.Bools[name]:
		return p.unknown("--"+name, given)
	case given:
		p.set(name, value)
	case p.syntax.Bools[name]:
		p.set(name, "true")
	default:
		return p.next("--"+name, name)
	}
	return nil
}

// whole returns the flag that a name is cut short of, if it is one only.
func (s Syntax) whole(name string) string {
	if !s.Abbreviates || s.Values[name] || s.Bools[name] {
		return name
	}
	found := slices.DeleteFunc(s.names(), func(known string) bool { return !strings.HasPrefix(known, name) })
	if len(found) != 1 {
		return name
	}
	return found[0]
}

// cluster takes flags with one dash: -it, -p80:80, -u=1000.
func (p *Line) cluster(text string) error {
	for i := range len(text) {
		flag, rest := "-"+text[i:i+1], text[i+1:]
		name, known := p.syntax.Short[text[i]]
		value, given := strings.CutPrefix(rest, "=")
		switch {
		case !known:
			return p.unknown(flag, rest != "")
		case given:
			p.set(name, value)
			return nil
		case p.syntax.Bools[name]:
			p.set(name, "true")
		case rest != "":
			p.set(name, rest)
			return nil
		default:
			return p.next(flag, name)
		}
	}
	return nil
}

// next takes the next argument for the value of a flag.
func (p *Line) next(flag, name string) error {
	if len(p.Rest) == 0 {
		return fmt.Errorf("%s needs an argument", flag)
	}
	p.set(name, p.Rest[0])
	p.Rest = p.Rest[1:]
	return nil
}

// unknown ignores a flag that is not in the lists, which may be newer than they are. One
// that is nearly the name of another is misspelt: the command itself refuses it. Most flags
// take a value, so the next argument is assumed to be that unless the rest then makes no
// sense.
func (p *Line) unknown(flag string, hasValue bool) error {
	if near := p.syntax.nearest(flag); near != "" {
		return fmt.Errorf("unknown flag %s; did you mean %s?", flag, near)
	}
	switch {
	case hasValue:
		p.Notes = append(p.Notes, flag+" is unknown and ignored")
	case len(p.Rest) < 2 || strings.HasPrefix(p.Rest[0], "-") || p.syntax.commands[p.Rest[0]]:
		p.Notes = append(p.Notes, flag+" is unknown and ignored; assuming it has no value")
	case p.knows(p.Rest[1]):
		p.Notes = append(p.Notes, fmt.Sprintf("%s is unknown and ignored; assuming %q is its value, since %s follows",
			flag, p.Rest[0], p.Rest[1]))
		p.Rest = p.Rest[1:]
	default:
		p.Notes = append(p.Notes, fmt.Sprintf("ambiguous: %s is unknown; assuming %q is its value; write %s=%s, "+
			"or %s=true if it takes none", flag, p.Rest[0], flag, p.Rest[0], flag))
		p.Rest = p.Rest[1:]
	}
	return nil
}

// names is the long names of all flags, in order.
func (s Syntax) names() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, list := range []map[string]bool{s.Values, s.Bools} {
			for name := range list {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// nearest returns the flag that a long one is nearly the name of; "" for none.
func (s Syntax) nearest(flag string) string {
	name, long := strings.CutPrefix(flag, "--")
	if !long {
		return ""
	}
	if near := Nearest(name, s.names()); near != "" {
		return "--" + near
	}
	return ""
}

// knows reports whether arg is a flag of the lists.
func (p *Line) knows(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return p.syntax.Values[name] || p.syntax.Bools[name]
	}
	return len(arg) > 1 && arg[0] == '-' && p.syntax.Short[arg[1]] != ""
}

// ParseAll takes the flags off args wherever they stand. Rest is the operands, and Behind
// what follows "--", nil without it.
func (s Syntax) ParseAll(args []string) (Line, error) {
	all := Line{Options: Options{}}
	if at := slices.Index(args, "--"); at >= 0 {
		args, all.Behind = args[:at], args[at+1:]
	}
	for len(args) > 0 {
		p, err := s.Parse(args)
		if err != nil {
			return Line{}, err
		}
		for name, values := range p.Options {
			all.Options[name] = append(all.Options[name], values...)
		}
		all.Notes = append(all.Notes, p.Notes...)
		if len(p.Rest) == 0 {
			break
		}
		all.Rest, args = append(all.Rest, p.Rest[0]), p.Rest[1:]
	}
	return all, nil
}
