package capwise_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNoRequirements holds that the library's go.mod requires nothing, so that
// a program that uses it gains no dependency but this one.
func TestNoRequirements(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Require, Replace []struct{ Path string } }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require)+len(mod.Replace) != 0 {
		t.Errorf("go.mod requires %v and replaces %v, want nothing", mod.Require, mod.Replace)
	}
}

// linked is what a program gains by the library beside what package net links
// anyway: the model of the kernel with what it needs, and what makes text.
const linked = `
github.com/capwise/capwise
github.com/capwise/capwise/capset
github.com/capwise/capwise/cred
github.com/capwise/capwise/diagnose
github.com/capwise/capwise/filecap
github.com/capwise/capwise/internal/environ
github.com/capwise/capwise/internal/execfile
github.com/capwise/capwise/internal/printable
github.com/capwise/capwise/internal/sys
github.com/capwise/capwise/law
github.com/capwise/capwise/scenario
bufio
bytes
encoding/binary
fmt
reflect
runtime/debug
strings
unicode
`

// TestLinks holds that the library links what is in the list and nothing else: no
// looking up in file systems, no regular expressions, no JSON. What the standard
// library keeps to itself is its affair.
func TestLinks(t *testing.T) {
	allowed := map[string]bool{}
	for _, name := range append(strings.Fields(linked), dependencies(t, "net")...) {
		allowed[name] = true
	}
	links := dependencies(t, ".")
	for _, name := range links {
		if !allowed[name] && !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "vendor/") {
			t.Errorf("it links %s", name)
		}
	}
	for _, name := range strings.Fields(linked) {
		if !slices.Contains(links, name) {
			t.Errorf("it does not link %s any more: take it off the list", name)
		}
	}
}

// dependencies returns what a package links on Linux.
func dependencies(t *testing.T, name string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", name)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestOneDoor holds that raw system calls and unsafe stay where a reader of the
// privileged code looks for them: in internal/sys, and in the package that
// prepares the kernel for tests.
func TestOneDoor(t *testing.T) {
	doors := map[string]bool{"internal/sys": true, "internal/kerneltest": true}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir // another module, or not ours
			}
		}
		if !strings.HasSuffix(path, ".go") || doors[filepath.Dir(path)] {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); name == "unsafe" || name == "C" {
				t.Errorf("%s imports %s", path, name)
			}
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "syscall."+"RawSyscall") || strings.Contains(string(text), "syscall."+"Syscall(") {
			t.Errorf("%s makes a raw system call", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoVariables holds that no package exports a variable, which any other could
// change for all, except errors to compare with. internal/limit has its table.
func TestNoVariables(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || path == filepath.Join("internal", "limit")):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, name := range variables(file) {
			if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
				t.Errorf("%s: %s is a variable: let a function return it", path, name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// variables returns the names of a file's variables.
func variables(file *ast.File) (names []*ast.Ident) {
	for _, decl := range file.Decls {
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				names = append(names, spec.(*ast.ValueSpec).Names...)
			}
		}
	}
	return names
}

// TestBuildsEverywhere compiles the library for every system that it promises, and
// all of the module where numbers have another size or system calls are missing.
func TestBuildsEverywhere(t *testing.T) {
	for target, packages := range map[string]string{
		"linux/amd64": ".", "linux/arm64": ".", "linux/arm": ".", "linux/s390x": ".", "linux/ppc64le": ".", "linux/riscv64": ".",
		"linux/386": "./...", "darwin/arm64": "./...", "windows/amd64": "./...", "freebsd/amd64": "./...",
	} {
		goos, goarch, _ := strings.Cut(target, "/")
		cmd := exec.Command("go", "build", packages)
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", target, err, out)
		}
	}
}

// TestReadmeCode builds the program that the README shows.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(readme), "```go\n")
	code, _, end := strings.Cut(code, "```\n")
	if !ok || !end || strings.Contains(code, "```") {
		t.Fatal("the README shows no program")
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := "module example\n\ngo 1.25.0\n\nrequire github.com/capwise/capwise v0.0.0\n\nreplace github.com/capwise/capwise => " + root + "\n"
	for name, text := range map[string]string{"go.mod": mod, "main.go": code} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEveryFuzzerRuns holds that scripts/fuzz.sh, which asks "go test -list",
// finds every fuzzer that there is in a file.
func TestEveryFuzzerRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the tests of three modules: -short leaves it out")
	}
	out, err := exec.Command("scripts/fuzz.sh", "-l").Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{} // fuzzers, by folder
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) != 3 {
			t.Fatalf("%q: want a module, a package and a fuzzer", line)
		}
		listed[filepath.Join(words[0], words[1])+" "+words[2]]++
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				listed[filepath.Dir(path)+" "+f.Name.Name]--
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for fuzzer, difference := range listed {
		if difference != 0 {
			t.Errorf("%s: the script and the files differ by %d", fuzzer, difference)
		}
	}
}

// TestThreatModel holds that each test which SECURITY.md names for a promise is there.
func TestThreatModel(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, m := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z]+`).FindAllString(string(text), -1) {
		missing[m] = true
	}
	if len(missing) < 30 {
		t.Errorf("SECURITY.md names %d tests", len(missing))
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		code, err := os.ReadFile(path)
		for name := range missing {
			if strings.Contains(string(code), "\nfunc "+name+"(") {
				delete(missing, name)
			}
		}
		return err
	})
	if err != nil || len(missing) > 0 {
		t.Errorf("no tests %v, %v", missing, err)
	}
}
