package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = `package sample

type set uint8

const size = 1 << 3

func decide(a, b set, p *int) (ok bool) {
	if p != nil && *p < size || a&b == 0 {
		a |= b
		return true
	}
	switch {
	case a > b:
		ok = false
	}
	return ok
}

var _ = decide
`

// TestMutate holds which changes are made, and that all of them compile.
func TestMutate(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "sample.go": sample} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	out := t.TempDir()
	mutants, overlay, err := target{pkg: "."}.mutate(out)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, strings.TrimPrefix(m.String(), ". sample.go decide: "))
	}
	slices.Sort(got)
	want := []string{
		"drop: *p < size", "drop: a&b == 0", "drop: p != nil", "drop: p != nil && *p < size",
		"negate: a > b", "negate: p != nil && *p < size || a&b == 0",
		"operator: *p < size", "operator: a > b", "operator: a&b",
		"remove: a |= b", "remove: ok = false", "turn: false", "turn: true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	c := exec.Command("go", "vet", "-overlay="+overlay, ".")
	c.Env = append(os.Environ(), "GOWORK=off")
	if text, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestSurvivors(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list")
	const a, b, c = "p f.go F: drop: x", "p f.go F: drop: y", "p f.go F: drop: z"
	if err := os.WriteFile(name, []byte("# comment\n\n"+a+" # never matters\n"+c+" # gone\nq f.go F: drop: x # of another package\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := readSurvivors(name)
	if err != nil {
		t.Fatal(err)
	}
	x, y := mutant{"p", "f.go", "F", "drop", "x", 0}, mutant{"p", "f.go", "F", "drop", "y", 0}
	for _, tc := range []struct {
		lived []mutant
		want  []string
	}{
		{[]mutant{x}, []string{"is listed, and is no more: " + c}},
		{[]mutant{x, y}, []string{"is listed, and is no more: " + c, "lives, and is not listed: " + b}},
		{nil, []string{"is listed, and is no more: " + c, "is listed, and was killed: " + a}},
	} {
		got := list.compare("p", []mutant{x, y}, tc.lived)
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if err := os.WriteFile(name, []byte(a+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSurvivors(name); err == nil {
		t.Error("a line without a reason is taken")
	}
	if _, err := readSurvivors("survivors.txt"); err != nil {
		t.Error(err)
	}
}
