package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/test/e2e/internal/netns"
)

// remedied is a unit with one of its remedies.
type remedied struct {
	variant

	of     *variant
	remedy *remedyFound
	dropIn string // the path of the drop-in, in systemd's own tree; "" for none
	copied string // the program with other capabilities; "" for the same
}

// What explain --patch says of changes that it does not write.
const (
	inProgram = "made in the program's own configuration"
	onHost    = "made on the host, by the command that it names"
)

// remedyUnits applies every remedy of the variants that fail, as explain --patch writes
// it, and starts them again: none may fail. All first remedies are tried at once, then all
// second ones.
func remedyUnits(t *testing.T, variants []*variant) {
	offered := map[*variant][]remedyFound{}
	rounds := 0
	for _, v := range variants {
		if v.did == "bind ok" {
			continue
		}
		out, _ := v.explain(t, "--patch", "--format=json")
		var found struct{ Starts []answer }
		if err := json.Unmarshal([]byte(out), &found); err != nil || len(found.Starts) != 1 {
			t.Fatalf("explain printed %s: %v", out, err)
		}
		offered[v] = found.Starts[0].Remedies
		rounds = max(rounds, len(offered[v]))
	}
	counts := map[string]int{}
	for n := range rounds {
		var round, open []*remedied
		for _, v := range variants {
			if n >= len(offered[v]) {
				continue
			}
			m := &offered[v][n]
			switch m.ByHand {
			case "", inProgram:
				round = append(round, newRemedied(t, v, m))
			case onHost:
				open = append(open, newRemedied(t, v, m))
			default:
				t.Errorf("the remedy %q (%s) is %s\n%s", m.How, m.Change, m.ByHand, v.text)
				continue
			}
			counts[m.Change]++
		}
		startRemedied(t, round)
		startOpened(t, open)
	}
	t.Logf("remedies of %d units that fail: %v", len(offered), counts)
}

// newRemedied applies a remedy.
func newRemedied(t *testing.T, v *variant, m *remedyFound) *remedied {
	r := &remedied{variant: *v, of: v, remedy: m}
	if m.ByHand == inProgram { // which is its command line
		_, to, _ := strings.Cut(m.How, "listen on tcp ")
		to, _, _ = strings.Cut(to, " ")
		r.text = strings.ReplaceAll(r.text, "tcp/"+v.listen.Address, "tcp/"+to)
		r.listen.Address = to
	}
	if m.FilePatch != "" {
		r.copied = filepath.Join(filepath.Dir(v.program.Path), v.name+".program")
		command(t, "cp", "--preserve=all", v.program.Path, r.copied)
		words := strings.Fields(strings.ReplaceAll(m.FilePatch, v.program.Path, r.copied))
		if words[0] != "sudo" || words[1] != "setcap" {
			t.Fatalf("want a command of setcap, got %s", m.FilePatch)
		}
		command(t, words[1], words[2:]...)
		r.text = strings.ReplaceAll(r.text, v.program.Path, r.copied)
	}
	if m.Patch != "" {
		name, text := newFile(t, m.Patch)
		text = strings.ReplaceAll(text, "tcp/"+v.listen.Address, "tcp/"+r.listen.Address)
		if r.copied != "" {
			text = strings.ReplaceAll(text, v.program.Path, r.copied)
		}
		r.dropIn = filepath.Join(systemdEngine.Root(), name)
		err := os.MkdirAll(filepath.Dir(r.dropIn), 0o755)
		if err := errors.Join(err, os.WriteFile(r.dropIn, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// newFile reads a diff that makes a file.
func newFile(t *testing.T, diff string) (name, text string) {
	var added strings.Builder
	for line := range strings.Lines(diff) {
		if path, is := strings.CutPrefix(line, "+++ "); is {
			name = strings.TrimSpace(path)
		} else if content, is := strings.CutPrefix(line, "+"); is {
			added.WriteString(content)
		}
	}
	if !strings.HasPrefix(diff, "--- /dev/null\n") || name == "" {
		t.Fatalf("want a diff of a new file, got %s", diff)
	}
	return name, added.String()
}

// startOpened starts units whose ports are opened on the host, which is the network
// namespace of the tests.
func startOpened(t *testing.T, round []*remedied) {
	const network, name = "/proc/self/ns/net", "net.ipv4.ip_unprivileged_port_start="
	lowest := law.DefaultPortStart
	for _, r := range round {
		_, port, _ := strings.Cut(r.remedy.How, name)
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatalf("no port in %q", r.remedy.How)
		}
		lowest = min(lowest, n)
	}
	if err := netns.Sysctl(network, name+strconv.Itoa(lowest)); err != nil {
		t.Fatal(err)
	}
	startRemedied(t, round)
	if err := netns.Sysctl(network, name+strconv.Itoa(law.DefaultPortStart)); err != nil {
		t.Fatal(err)
	}
}

// startRemedied starts units with their remedies, says which of them do not work, and
// takes the remedies away.
func startRemedied(t *testing.T, round []*remedied) {
	folder := filepath.Join(systemdEngine.Root(), "run/systemd/system")
	var variants []*variant
	write := func(text func(*remedied) string) {
		for _, r := range round {
			if err := os.WriteFile(filepath.Join(folder, r.name), []byte(text(r)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range round {
		variants = append(variants, &r.variant)
	}
	write(func(r *remedied) string { return r.text })
	restartUnits(t, variants)
	for _, r := range round {
		if r.did != "bind ok" {
			t.Errorf("the remedy %q (%s) does not help: %s\n%s\n%s%s\n%s", r.remedy.How, r.remedy.Change, r.did, r.of.text, r.remedy.FilePatch, r.remedy.Patch, r.evidence)
		}
		if err := errors.Join(removeIf(r.dropIn), removeIf(r.copied)); err != nil {
			t.Error(err)
		}
	}
	write(func(r *remedied) string { return r.of.text })
}

func removeIf(name string) error {
	if name == "" {
		return nil
	}
	return os.Remove(name)
}

// restartUnits starts units that were started before, and were changed.
func restartUnits(t *testing.T, variants []*variant) {
	for _, v := range variants {
		out := filepath.Join(systemdEngine.Root(), "run", v.name+".out")
		if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	_, errReload := systemdEngine.Systemctl("daemon-reload")
	_, errReset := systemdEngine.Systemctl("reset-failed")
	if err := errors.Join(errReload, errReset); err != nil {
		t.Fatal(err)
	}
	if len(variants) > 0 {
		if _, err := systemdEngine.Systemctl(append([]string{"stop"}, names(variants)...)...); err != nil {
			t.Fatal(err)
		}
	}
	startUnits(t, variants)
}
