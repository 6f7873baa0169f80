package gobuild

import (
	"slices"
	"strings"
	"testing"
)

// FuzzArguments holds that nothing is lost of a command line of the go command,
// and that GOFLAGS of any kind are taken apart.
func FuzzArguments(f *testing.F) {
	f.Add("-C dir -o out -tags=x -overlay o.json ./cmd", "'-ldflags=-s -w' -trimpath")
	f.Add("-o", "\"")
	f.Fuzz(func(t *testing.T, line, goflags string) {
		words := strings.Split(line, " ")
		a := parse(words)
		if !slices.Equal(a.rest, words[len(words)-len(a.rest):]) {
			t.Errorf("%q: got the rest %q", line, a.rest)
		}
		for _, word := range a.flags {
			if !slices.Contains(words, word) {
				t.Errorf("%q: the flag %q is not in it", line, word)
			}
		}
		split(goflags)
	})
}
