package diagnose_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/diagnose"
)

// TestCausePages holds that every cause has a page, which names what is seen,
// and that no page is about anything else.
func TestCausePages(t *testing.T) {
	const dir = "../docs/causes"
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range diagnose.Causes() {
		page, err := os.ReadFile(filepath.Join(dir, string(c)+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"# " + string(c) + "\n", "## What you see\n\n```\n", "## Why\n", "## What to do\n"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s.md has no %q", c, part)
			}
		}
		if !strings.Contains(string(index), "("+string(c)+".md)") {
			t.Errorf("README.md does not list %s", c)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		name := strings.TrimSuffix(filepath.Base(p), ".md")
		if name != "README" && !slices.Contains(diagnose.Causes(), diagnose.Cause(name)) {
			t.Errorf("%s is about no cause", p)
		}
	}
}

// TestReasonsOnPages holds that the page of a cause shows the very words that
// the cause is reported in, so that a search finds it.
func TestReasonsOnPages(t *testing.T) {
	for cause, change := range causes {
		f := facts(change)
		if cause == diagnose.Blocked {
			f.Seccomp = 2
		}
		page, err := os.ReadFile(filepath.Join("../docs/causes", string(cause)+".md"))
		if err != nil {
			t.Fatal(err)
		}
		reason := diagnose.Explain(f, 80).Reason
		words := reason[strings.LastIndex(reason, "1024)")+len("1024)"):]
		words = strings.TrimLeft(strings.TrimPrefix(words, ", and "), ": ")
		if i := strings.Index(words, "/usr/bin/caddy is on"); i >= 0 {
			words = words[:i] // the page has another file there
		}
		if !strings.Contains(string(page), words) {
			t.Errorf("%s.md does not say %q", cause, words)
		}
	}
}
