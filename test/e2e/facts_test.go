package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

var (
	users  = []string{"0", "65532"}
	update = flag.Bool("update", false, "write the facts seen to docs/runtimes.md")
)

// factsDoc holds the facts between these two lines.
const (
	factsDoc   = "../../docs/runtimes.md"
	factsBegin = "<!-- seen by TestFacts: -->\n"
	factsEnd   = "<!-- end -->\n"
)

// TestFacts starts a program that tells its credentials under every runtime, and
// compares what it sees with what docs/runtimes.md says.
func TestFacts(t *testing.T) {
	need(t, "go")
	for _, r := range runtimes {
		need(t, r.needs...)
	}
	var seen bytes.Buffer
	granted(t, &seen)
	seen.WriteByte('\n')
	portStarts(t, &seen)

	doc, err := os.ReadFile(factsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := bytes.Cut(doc, []byte(factsBegin))
	said, after, found := bytes.Cut(rest, []byte(factsEnd))
	if !found {
		t.Fatalf("%s has no lines %q and %q", factsDoc, factsBegin, factsEnd)
	}
	if bytes.Equal(said, seen.Bytes()) {
		return
	}
	if !*update {
		t.Fatalf("%s says\n%s\nseen was\n%s\nIf the runtimes are right, run this test with -update.", factsDoc, said, seen.Bytes())
	}
	doc = bytes.Join([][]byte{before, []byte(factsBegin), seen.Bytes(), []byte(factsEnd), after}, nil)
	if err := errors.Join(os.WriteFile(factsDoc+".new", doc, 0o644), os.Rename(factsDoc+".new", factsDoc)); err != nil {
		t.Fatal(err)
	}
}

// granted writes a table of what becomes of CAP_NET_BIND_SERVICE, the only
// capability in the bounding set.
func granted(t *testing.T, seen *bytes.Buffer) {
	seen.WriteString("| runtime | options | uid | file | without no_new_privs | with no_new_privs |\n|---|---|---|---|---|---|\n")
	type variant struct {
		runtime *runtimeUnderTest
		user    string
		options []string
	}
	var variants []variant
	for _, r := range runtimes {
		for _, user := range users {
			variants = append(variants, variant{runtime: r, user: user})
		}
	}
	variants = append(variants,
		variant{systemd, "65532", []string{ambient}},
		variant{systemd, "65532", []string{ambient, "--property=ProtectSystem=strict"}},
		variant{systemd, "", []string{dynamicUser}},
		variant{systemd, "", []string{dynamicUser, ambient}},
		variant{systemd, "65532", []string{privateUsers}},
		variant{systemd, "65532", []string{privateUsers, ambient}},
	)
	for _, v := range variants {
		for _, file := range []struct {
			says    string
			program func() (*program.Program, error)
		}{{"none", probeNone}, {"`+p`", probePermitted}} {
			spec := engine.Spec{
				Program: get(t, file.program), User: v.user, PortStart: engine.AnyPortStart,
				Add: []string{engine.NetBindService}, Extra: v.options,
			}
			without := sets(ask(t, v.runtime, spec))
			spec.NoNewPrivs = true
			with := sets(ask(t, v.runtime, spec))
			options := strings.ReplaceAll(strings.Join(v.options, " "), "--property=", "")
			fmt.Fprintf(seen, "| %s | %s | %s | %s | %s | %s |\n",
				v.runtime.Name(), options, orElse(v.user, "dynamic"), file.says, without, with)
		}
	}
}

// portStarts writes a table of ip_unprivileged_port_start where nobody sets it.
func portStarts(t *testing.T, seen *bytes.Buffer) {
	seen.WriteString("| runtime | network | ip_unprivileged_port_start |\n|---|---|---|\n")
	for _, v := range []struct {
		runtime *runtimeUnderTest
		network string
		options []string
	}{
		{docker, "none", nil},
		{docker, "bridge", []string{"--network=bridge"}},
		{docker, "host", []string{"--network=host"}},
		{podmanRunc, "none", nil},
		{podmanCrun, "none", nil},
		{systemd, "its own", []string{"--property=PrivateNetwork=yes"}},
	} {
		facts := ask(t, v.runtime, engine.Spec{
			Program: get(t, probeNone), User: "65532", PortStart: engine.AnyPortStart, Extra: v.options,
		})
		fmt.Fprintf(seen, "| %s | %s | %s |\n", v.runtime.Name(), v.network, facts["PortStart"])
	}
}

// ask runs a probe to its end and returns what it says.
func ask(t *testing.T, r *runtimeUnderTest, spec engine.Spec) map[string]string {
	t.Helper()
	p := r.begin(t, spec)
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	facts := map[string]string{}
	for line := range strings.Lines(p.stdout.String()) {
		name, value, _ := strings.Cut(line, ": ")
		facts[name] = strings.TrimSpace(value)
	}
	return facts
}

// sets names the sets that have CAP_NET_BIND_SERVICE.
func sets(facts map[string]string) string {
	const bit = 1 << 10
	var in []string
	for _, set := range []struct{ key, name string }{
		{"CapPrm", "permitted"}, {"CapEff", "effective"}, {"CapInh", "inheritable"}, {"CapAmb", "ambient"},
	} {
		if mask, err := strconv.ParseUint(facts[set.key], 16, 64); err != nil {
			in = append(in, err.Error())
		} else if mask&bit != 0 {
			in = append(in, set.name)
		}
	}
	if facts["UidMap"] != "0 0 4294967295" {
		in = append(in, "(in a user namespace)")
	}
	return orElse(strings.Join(in, ", "), "nowhere")
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
