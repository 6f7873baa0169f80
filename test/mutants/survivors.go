package main

import (
	"fmt"
	"os"
	"strings"
)

const survivorsFile = "test/mutants/survivors.txt"

// survivors is the changes that may live, with the reasons.
type survivors map[string]string

// readSurvivors reads a line for each: what [mutant.String] returns, " # ", the
// reason. Lines that begin with # are comments.
func readSurvivors(name string) (survivors, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	out := survivors{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s: %q: want a reason behind \" # \"", name, line)
		}
		out[strings.TrimSpace(key)] = reason
	}
	return out, nil
}

func (s survivors) has(m mutant) bool { return s[m.String()] != "" }

// compare says where the list and the run of a package differ.
func (s survivors) compare(pkg string, all, lived []mutant) []string {
	var out []string
	state := map[string]string{}
	for _, m := range all {
		state[m.String()] = "killed"
	}
	for _, m := range lived {
		state[m.String()] = "lives"
		if !s.has(m) {
			out = append(out, "lives, and is not listed: "+m.String())
		}
	}
	for key := range s {
		if folder, _, _ := strings.Cut(key, " "); folder != pkg {
			continue
		}
		switch state[key] {
		case "killed":
			out = append(out, "is listed, and was killed: "+key)
		case "":
			out = append(out, "is listed, and is no more: "+key)
		}
	}
	return out
}
