// Package flags splits command lines whose flags are not all known: the
// commands of Docker and Podman, and systemd-run. They have the rules of their
// libraries (pflag, getopt_long) in common: clusters such as -itd, values with =
// or without, and nothing behind the first operand.
package flags

import (
	"fmt"
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
	switch {
	case !p.syntax.Values[name] && !p.syntax.Bools[name]:
		p.unknown("--"+name, given)
	case given:
		p.set(name, value)
	case p.syntax.Bools[name]:
		p.set(name, "true")
	default:
		return p.next("--"+name, name)
	}
	return nil
}

// cluster takes flags with one dash: -it, -p80:80, -u=1000.
func (p *Line) cluster(text string) error {
	for i := range len(text) {
		flag, rest := "-"+text[i:i+1], text[i+1:]
		name, known := p.syntax.Short[text[i]]
		value, given := strings.CutPrefix(rest, "=")
		switch {
		case !known:
			p.unknown(flag, rest != "")
			return nil
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

// unknown passes over a flag that is not in the lists. Most flags take a value,
// so the next argument is taken for it unless the rest then makes no sense.
func (p *Line) unknown(flag string, hasValue bool) {
	switch {
	case hasValue:
		p.Notes = append(p.Notes, fmt.Sprintf("%s is unknown and ignored", flag))
	case len(p.Rest) < 2 || strings.HasPrefix(p.Rest[0], "-") || p.syntax.commands[p.Rest[0]]:
		p.Notes = append(p.Notes, fmt.Sprintf("%s is unknown and ignored; assuming it has no value", flag))
	case p.knows(p.Rest[1]):
		p.Notes = append(p.Notes, fmt.Sprintf("%s is unknown and ignored; assuming %q is its value, since %s follows",
			flag, p.Rest[0], p.Rest[1]))
		p.Rest = p.Rest[1:]
	default:
		p.Notes = append(p.Notes, fmt.Sprintf("ambiguous: %s is unknown; assuming %q is its value; write %s=%s, "+
			"or %s=true if it takes none", flag, p.Rest[0], flag, p.Rest[0], flag))
		p.Rest = p.Rest[1:]
	}
}

// knows reports whether arg is a flag of the lists.
func (p *Line) knows(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return p.syntax.Values[name] || p.syntax.Bools[name]
	}
	return len(arg) > 1 && arg[0] == '-' && p.syntax.Short[arg[1]] != ""
}
