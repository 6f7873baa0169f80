package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/cmd/capwise/internal/report"
)

const (
	projectsDir  = "testdata/projects"
	projectsPage = "../../docs/projects.md"
)

// fewestProjects is how many projects the table is to have at least.
const fewestProjects = 40

// TestProjects explains how well-known projects are deployed, each as its own
// documentation says, and holds the table in docs/projects.md to it. All of them run
// everywhere, so none may be said to fail.
func TestProjects(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // so that no engine here has their images
	page, err := os.ReadFile(projectsPage)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(projectsDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < fewestProjects {
		t.Errorf("%d projects, want at least %d", len(files), fewestProjects)
	}
	var table strings.Builder
	for _, file := range files {
		table.WriteString(projectRows(t, file))
	}
	const head = "| project | source | program | verdict | reason |\n|---|---|---|---|---|\n"
	before, _, found := strings.Cut(string(page), head)
	if !found {
		t.Fatal("docs/projects.md has no table")
	}
	want := before + head + table.String()
	if *update {
		if err := os.WriteFile(projectsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Error("docs/projects.md says something else than explain; run this test with -update and look at the difference")
	}
}

// projectRows explains a file, whose first line says where the project describes it.
func projectRows(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	project, source, ok := strings.Cut(strings.TrimPrefix(first, "# "), ", ")
	if !ok {
		t.Fatalf("%s: the first line is not # PROJECT, SOURCE", file)
	}
	args := []string{"explain", "--offline", "--format", "json", "-f", file}
	if filepath.Ext(file) == ".command" {
		args = append(args[:4], "--", strings.TrimSpace(rest))
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	_ = root.Execute() // its verdict is in the report
	var r report.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Starts) == 0 {
		t.Fatalf("%s: %v: %s", file, err, &out)
	}
	var rows strings.Builder
	for i := range r.Starts {
		s := &r.Starts[i]
		if s.Verdict == report.Fails {
			t.Errorf("%s: %s is said to fail, and runs everywhere", file, s.Name)
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", project, source, s.Name, strings.ToUpper(s.Verdict), reasonOf(s))
	}
	return rows.String()
}

// reasonOf says in one line why the verdict is what it is.
func reasonOf(s *report.Start) string {
	if s.Verdict != "depends" {
		return reasonOfResult(s.Result)
	}
	var parts []string
	for _, c := range s.Depends {
		parts = append(parts, fmt.Sprintf("%s if %s: %s", c.Then, c.If, reasonOfResult(&c.Result)))
	}
	return strings.Join(parts, "; ")
}

func reasonOfResult(r *report.Result) string {
	if !r.Exec.OK {
		return r.Exec.Cause
	}
	if len(r.Binds) == 0 {
		return "starts; no address is known"
	}
	parts := []string{"starts"}
	for _, b := range r.Binds {
		why := map[string]string{"free": "ports that need no capability", "held": "CAP_NET_BIND_SERVICE is effective", "raise": "the program raises CAP_NET_BIND_SERVICE", "fail": b.Cause}[b.Needs]
		if !slices.Contains(parts, why) {
			parts = append(parts, why)
		}
	}
	return strings.Join(parts, ", ")
}
