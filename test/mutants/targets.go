package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// target is a package that decides about privileges.
type target struct {
	pkg   string   // its folder, from the repository's root
	files []string // only these; none is all
	// tests are what may notice a change: "MODULE PACKAGE [SKIP]", the quick ones
	// first; SKIP is a pattern of tests that have nothing to do with it.
	tests []string
}

// targets lists them. Most tests of the root package are about files of the
// repository, or build for other systems.
var targets = []target{
	{pkg: "capset", tests: []string{". ./capset", ". ./filecap"}},
	{pkg: "filecap", tests: []string{". ./filecap", ". ./scan"}},
	{pkg: "law", tests: []string{". ./law", ". ./diagnose", ". ./internal/refusal", "test/kernel . Mutants|Disk|Mount"}},
	{pkg: "scenario/lookup", files: []string{"binfmt.go"}, tests: []string{". ./scenario/lookup"}},
	{pkg: "scenario", files: []string{"runtime.go"}, tests: []string{". ./scenario", ". ./diagnose", ". ./scenario/engine", ". ./scenario/unit", "cmd/capwise ./internal/kubernetes", "cmd/capwise ./internal/compose"}},
	{pkg: "diagnose", tests: []string{". ./diagnose", ". ./internal/refusal", ". . " + slow}},
	{pkg: "internal/refusal", tests: []string{". ./internal/refusal"}},
	{pkg: "internal/sys", tests: []string{". ./internal/sys", ". ./cred", ". ./scan", ". ./filecap", ". ./scenario/process", ". . " + slow}},
	{pkg: ".", tests: []string{". . " + slow}},
	{pkg: "launch", tests: []string{". ./launch"}},
	{pkg: "fix", tests: []string{". ./fix"}},
	{pkg: "held", tests: []string{". ./held", ". ./fix"}},
}

const slow = "BuildsEverywhere|EveryFuzzer|Links|NoRequirements|NoVariables|OneDoor|ReadmeCode"

// variable says which change is in force; 0 is none.
const variable = "CAPWISE_MUTANT"

// suite is the tests of a package, compiled with all changes.
type suite struct {
	binary, dir, skip string
	limit             time.Duration
}

// build compiles the suites.
func (t target) build(dir, overlay string) ([]suite, error) {
	var out []suite
	for i, text := range t.tests {
		words := strings.Fields(text)
		s := suite{binary: filepath.Join(dir, strconv.Itoa(i)+".test"), dir: filepath.Join(words[0], words[1])}
		if len(words) > 2 {
			s.skip = words[2]
		}
		c := exec.Command("scripts/module.sh", words[0], "test", "-c", "-vet=off", "-overlay="+overlay, "-o", s.binary, words[1])
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", words[1], err, text)
		}
		out = append(out, s)
	}
	return out, nil
}

// command is the suite with a change, within the time.
func (s *suite) command(ctx context.Context, mutant int) *exec.Cmd {
	args := []string{"-test.failfast", "-test.short", "-test.timeout=0"}
	if s.skip != "" {
		args = append(args, "-test.skip", s.skip)
	}
	c := exec.CommandContext(ctx, s.binary, args...)
	c.Dir, c.Env = s.dir, append(os.Environ(), variable+"="+strconv.Itoa(mutant))
	c.WaitDelay = time.Second // children may hold its output
	return c
}

// baseline runs the suite without a change, and takes its time.
func (s *suite) baseline() error {
	begun := time.Now()
	out, err := s.command(context.Background(), 0).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s without a change: %w\n%s", s.dir, err, out)
	}
	s.limit = 10*time.Second + 5*time.Since(begun)
	return nil
}

// kills reports whether the suite notices the change: a test fails, or it does
// not come to an end.
func (s *suite) kills(mutant int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	return s.command(ctx, mutant).Run() != nil
}

// mutate writes the package's files with all changes, and an overlay that puts
// them in their place.
func (t target) mutate(dir string) ([]mutant, string, error) {
	p, err := load(t.pkg)
	if err != nil {
		return nil, "", err
	}
	replace := map[string]string{}
	var all []mutant
	for _, name := range p.files {
		if len(t.files) > 0 && !contains(t.files, filepath.Base(name)) {
			continue
		}
		text, found, err := p.mutate(name, len(all))
		if err != nil {
			return nil, "", err
		}
		all = append(all, found...)
		to := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return nil, "", err
		}
		replace[p.absolute(name)] = to
	}
	helper := filepath.Join(dir, "helper.txt")
	replace[p.absolute(filepath.Join(t.pkg, "zz_mutant.go"))] = helper
	text := bytes.ReplaceAll([]byte(helperSource), []byte("package p"), []byte("package "+p.name))
	if err := os.WriteFile(helper, text, 0o600); err != nil {
		return nil, "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err = json.Marshal(map[string]any{"Replace": replace})
	return all, overlay, errors.Join(err, os.WriteFile(overlay, text, 0o600))
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// helperSource is a file more of the package. It needs nothing but the package
// that every other is built on.
const helperSource = `package p

import "syscall"

var capwiseMutant = func() int {
	text, _ := syscall.Getenv("` + variable + `")
	n := 0
	for i := range len(text) {
		n = n*10 + int(text[i]-'0')
	}
	return n
}()

func capwisePick[T any](n int, changed, plain T) T {
	if capwiseMutant == n {
		return changed
	}
	return plain
}

var _ = capwisePick[int]
`
