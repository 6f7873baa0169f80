package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// knownProgram is a program of testdata/known.txt.
type knownProgram struct {
	name, file string
	verdict    string // of scan, without "but-effective"
	raises     bool   // what was seen
	caps       string // that it does its job with
	port       string // that it is to listen on; "0" if it is to run, or to end with 0
	command    string // a line for sh
}

func knownPrograms(t *testing.T) (all []knownProgram) {
	t.Helper()
	file, err := os.Open("testdata/known.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const columns = 7
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.SplitN(lines.Text(), "|", columns)
		if len(f) != columns {
			t.Fatalf("%q: want %d columns", lines.Text(), columns)
		}
		all = append(all, knownProgram{f[0], f[1], f[2], f[3] == "raises", f[4], f[5], f[6]})
	}
	return all
}

// TestKnownPrograms holds what scan says about each program, and that it is true: it
// does its job with its capabilities effective, not without, and with them permitted if,
// and only if, it is aware. Of an unknown one the table has what it does. There is no
// engine: each runs in a file system and a network of its own.
func TestKnownPrograms(t *testing.T) {
	all := os.Getenv("CAPWISE_TEST") == "all"
	folder := "known-short"
	if all {
		folder = "known"
	}
	root := artifact("", "../../.cache/realcases/"+folder)
	need(t, "root", capwiseBinary(), root, "unshare", "setcap", "ip", "awk")
	found := scanned(t, root)
	started := 0
	defer func() {
		if started < 12 {
			t.Errorf("%d programs in %s, want more", started, root)
		}
	}()
	for _, p := range knownPrograms(t) {
		if _, err := os.Lstat(filepath.Join(root, p.file)); err != nil && !all {
			continue
		}
		started++
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			results.report(t, p.name+": "+p.verdict, "plain")
			if got := found[p.file]; strings.TrimSuffix(got.Verdict, "-but-effective") != p.verdict {
				t.Errorf("scan says %s, want %s: %s", got.Verdict, p.verdict, got.Evidence)
			}
			if known := p.verdict != "unknown"; known && p.raises != (p.verdict == "aware") {
				t.Errorf("%s, and raises: %t", p.verdict, p.raises)
			}
			for caps, works := range map[string]bool{p.caps + "=ep": true, p.caps + "=p": p.raises, "none": false} {
				if did, says := p.does(t, root, caps); did != works {
					t.Errorf("with %s it does its job: %t, want %t: %s", caps, did, works, says)
				}
			}
		})
	}
}

// TestKnownTable holds that docs/scan.md lists each program with its verdict and what it
// does.
func TestKnownTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/scan.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range knownPrograms(t) {
		does := "does not"
		if p.raises {
			does = "raises"
		}
		row := regexp.MustCompile("(?m)^\\| " + p.verdict + " \\|[^|]*\\| " + does + " \\|.*`" + regexp.QuoteMeta(p.name) + "`")
		if !row.Match(page) {
			t.Errorf("no row of docs/scan.md has %s as %s, %s", p.name, p.verdict, does)
		}
	}
	if want := fmt.Sprintf("starts %d programs", len(knownPrograms(t))); !strings.Contains(string(page), want) {
		t.Errorf("docs/scan.md does not say %q", want)
	}
}

// does reports whether the program does its job with the capabilities, and what it says.
func (p knownProgram) does(t *testing.T, root, caps string) (bool, string) {
	t.Helper()
	script, err := filepath.Abs("known.sh")
	if err != nil {
		t.Fatal(err)
	}
	const seconds = "8"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
		script, root, p.file, caps, p.port, seconds, p.command).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	result, _, _ := strings.Cut(string(out), "\n")
	if p.port == "0" {
		return result == "exit 0" || result == "silent", string(out)
	}
	return result == "bound", string(out)
}
