package unit

import (
	"fmt"
	"strings"
)

// command is one command of ExecStart=.
type command struct {
	args []string
	// full is the prefix +: systemd keeps all privileges for it.
	full bool
	// asRoot is the prefix !: User= and Group= don't count for it.
	asRoot bool
	// literal is the prefix :, with which variables are left as they stand.
	literal bool
	// prefixes is all of them.
	prefixes string
	at       assignment
}

// commands reads ExecStart=.
func (s *reader) commands() ([]command, error) {
	var out []command
	for _, a := range s.list("Service.ExecStart") {
		words, err := splitWords(a.value)
		if err != nil {
			return nil, fmt.Errorf("%s: ExecStart=%s: %w", a, a.value, err)
		}
		for _, words := range splitCommands(a.value, words) {
			c, err := readCommand(s.name.all(words))
			if err != nil {
				return nil, fmt.Errorf("%s: ExecStart=%s: %w", a, a.value, err)
			}
			c.at = a
			out = append(out, c)
		}
	}
	return out, nil
}

// splitCommands splits words at each one that is a lone semicolon, unless the
// text has none that stands alone unescaped.
func splitCommands(text string, words []string) [][]string {
	if !strings.Contains(" "+text+" ", " ; ") {
		return [][]string{words}
	}
	var out [][]string
	var current []string
	for _, word := range append(words, ";") {
		if word != ";" {
			current = append(current, word)
		} else if len(current) > 0 {
			out, current = append(out, current), nil
		}
	}
	return out
}

// readCommand reads a command with its prefixes.
func readCommand(words []string) (command, error) {
	var c command
	if len(words) == 0 {
		return c, fmt.Errorf("no program")
	}
	program := strings.TrimLeft(words[0], "-@:+!|")
	prefixes := words[0][:len(words[0])-len(program)]
	c.prefixes, c.full = prefixes, strings.Contains(prefixes, "+")
	// Twice, it is for kernels without ambient capabilities.
	c.asRoot = strings.Count(prefixes, "!") == 1
	c.literal = strings.Contains(prefixes, ":")
	args := words[1:]
	if strings.Contains(prefixes, "@") && len(args) > 0 {
		args = args[1:] // what the program is to find as its own name
	}
	if program == "" {
		return c, fmt.Errorf("no program behind %s", prefixes)
	}
	c.args = append([]string{program}, args...)
	return c, nil
}
