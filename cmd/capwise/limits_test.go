package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

// TestLimitsPage holds docs/limits.md to the limits: each has a row with its error,
// and a test that there is.
func TestLimitsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); len(cells) == 4 {
			rows[strings.TrimPrefix(cells[0], "| ")] = cells
		}
	}
	tests := testNames(t)
	for _, l := range limit.All() {
		row := rows[l.Name]
		if row == nil {
			t.Errorf("%s has no row", l.Name)
			continue
		}
		if want := "`" + l.Check(l.Most+1).Error() + "`"; row[2] != want {
			t.Errorf("%s: the page says %s, want %s", l.Name, row[2], want)
		}
		named := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(row[3], -1)
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", l.Name, m[1])
			}
		}
		if len(named) == 0 {
			t.Errorf("%s names no test", l.Name)
		}
		if l.Check(l.Most) != nil {
			t.Errorf("%s: what is at the limit is above it", l.Name)
		}
	}
	if n := len(limit.All()); n != len(rows)-1 { // and the heading
		t.Errorf("%d limits, and %d rows", n, len(rows)-1)
	}
}

// testNames lists the tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z]+)\(`)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
