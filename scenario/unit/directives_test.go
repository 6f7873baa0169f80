package unit

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/need"
)

var update = flag.Bool("update", false, "write the table of directives to docs/sources.md")

// The table stands between these two lines.
const (
	tableDoc   = "../../docs/sources.md"
	tableBegin = "<!-- directives, by TestDirectivesTable -update: -->\n"
	tableEnd   = "<!-- end of directives -->\n"
)

// TestDirectivesTable holds that docs/sources.md has the table of directives.
func TestDirectivesTable(t *testing.T) {
	var table bytes.Buffer
	table.WriteString("| directive | explain | how |\n|---|---|---|\n")
	var others []string
	for _, d := range Directives() {
		if d.Treatment == Irrelevant {
			others = append(others, "`"+d.Name+"=`")
			continue
		}
		fmt.Fprintf(&table, "| `%s=` | %s | %s |\n", d.Name, d.Treatment, d.How)
	}
	fmt.Fprintf(&table, "\nThese do not matter: %s.\n", strings.Join(others, ", "))
	doc, err := os.ReadFile(tableDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(doc, []byte(tableBegin))
	said, after, ended := bytes.Cut(rest, []byte(tableEnd))
	switch {
	case !found || !ended:
		t.Fatalf("%s has no lines %q and %q", tableDoc, tableBegin, tableEnd)
	case bytes.Equal(said, table.Bytes()):
	case !*update:
		t.Fatalf("%s does not have the table of directives; run this test with -update", tableDoc)
	default:
		doc = slices.Concat(before, []byte(tableBegin), table.Bytes(), []byte(tableEnd), after)
		if err := os.WriteFile(tableDoc, doc, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectivesOfTheInstalledSystemd holds that every directive of systemd.exec(5)
// that the systemd of this machine knows has a treatment. They are those that services,
// sockets, mounts and swaps have, and slices and scopes do not.
func TestDirectivesOfTheInstalledSystemd(t *testing.T) {
	const systemd = "/lib/systemd/systemd"
	if _, err := os.Stat(systemd); err != nil {
		need.Tool(t, "systemd") // which says that it is missing
	}
	out, err := exec.Command(systemd, "--dump-configuration-items").Output()
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]map[string]bool{}
	var section string
	for line := range strings.Lines(string(out)) {
		if m := regexp.MustCompile(`^\[(\w+)\]`).FindStringSubmatch(line); m != nil {
			section = m[1]
			sections[section] = map[string]bool{}
		} else if name, _, ok := strings.Cut(line, "="); ok {
			sections[section][name] = true
		}
	}
	known := map[string]bool{"TimeoutSec": true} // of units that start something, and no setting of what is started
	for _, d := range Directives() {
		if known[d.Name] {
			t.Errorf("%s= is in the table twice", d.Name)
		}
		known[d.Name] = true
	}
	found := 0
	for name := range sections["Service"] {
		of := func(s string) bool { return sections[s][name] }
		if !of("Socket") || !of("Mount") || !of("Swap") || of("Slice") || of("Scope") {
			continue
		}
		found++
		if !known[name] {
			t.Errorf("%s= is not in the table", name)
		}
	}
	if found < 100 {
		t.Errorf("only %d directives in what systemd prints", found)
	}
}

// TestNotedDirectives holds that those that are noted are.
func TestNotedDirectives(t *testing.T) {
	for _, d := range Directives() {
		notes := fmt.Sprint(service(t, "257", d.Name+"=/x").Notes)
		if got := strings.Contains(notes, d.Name+"= is not judged"); got != (d.Treatment == Noted) {
			t.Errorf("%s=, %s: notes %s", d.Name, d.Treatment, notes)
		}
	}
}

// TestCallGroups compares the groups of system calls with those of the systemd here.
func TestCallGroups(t *testing.T) {
	out, err := exec.Command(need.Tool(t, "systemd-analyze"), "syscall-filter", "--no-pager").Output()
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{}
	var group string
	for line := range strings.Lines(string(out)) {
		switch word := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "@"):
			group = word
		case word != "" && !strings.HasPrefix(word, "#") && group != "":
			members[group] = append(members[group], word)
		}
	}
	var calls func(string) []string
	calls = func(group string) (out []string) {
		for _, m := range members[group] {
			if strings.HasPrefix(m, "@") {
				out = append(out, calls(m)...)
			} else if slices.Contains(judgedCalls, m) && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	for group := range members {
		if got, want := calls(group), callGroups[group]; !slices.Equal(got, want) {
			t.Errorf("%s has %v, the table %v", group, got, want)
		}
	}
}
