package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands print to the documentation")

// TestDocumentation runs every "$ capwise" of the console blocks in the
// documentation, from the folder of the page, and holds the page to what it
// prints and, where "$ echo $?" follows, to its exit code.
func TestDocumentation(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, page := range append(pages, root+"/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		t.Chdir(filepath.Dir(page))
		seen, n := runConsoles(t, string(text))
		commands += n
		if seen == string(text) {
			continue
		}
		name := filepath.Base(page)
		if !*update {
			t.Errorf("%s shows another output than its commands print; run this test with -update and look at the difference", name)
			continue
		}
		if err := os.WriteFile(name, []byte(seen), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if commands == 0 {
		t.Error("no page shows a command")
	}
}

// runConsoles returns the page with what its commands print, and their number.
func runConsoles(t *testing.T, page string) (string, int) {
	t.Helper()
	var out strings.Builder
	inside, skipping, code, commands := false, false, 0, 0
	for line := range strings.Lines(page) {
		command, isCommand := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		switch {
		case line == "```console\n":
			inside = true
		case line == "```\n":
			inside, skipping = false, false
		case !inside || !isCommand && !skipping:
		case !isCommand:
			continue // what it printed before
		case strings.HasPrefix(command, "capwise "):
			commands++
			skipping = true
			var text string
			text, code = runCommand(t, strings.Fields(command)[1:])
			out.WriteString(line + text)
			continue
		case command == "echo $?" && skipping:
			fmt.Fprintf(&out, "%s%d\n", line, code)
			continue
		default:
			skipping = false
		}
		out.WriteString(line)
	}
	return out.String(), commands
}

func runCommand(t *testing.T, args []string) (string, int) {
	t.Helper()
	var out strings.Builder
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	switch err := root.Execute(); {
	case err == nil:
		return out.String(), 0
	case errors.Is(err, errFails):
		return out.String(), exitFails
	case errors.Is(err, errDepends):
		return out.String(), exitDepends
	default:
		return out.String() + "capwise: " + err.Error() + "\n", exitError
	}
}
