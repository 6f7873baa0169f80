package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// target is a package that decides about privileges.
type target struct {
	pkg   string   // its folder, from the repository's root
	files []string // only these; none is all
	// tests are what may notice a change: "MODULE PACKAGE [SKIP]", the quick ones
	// first; SKIP is a pattern of tests that have nothing to do with it.
	tests []string
	// launcher says that the launchers that tests start have the change, too.
	launcher bool
}

// targets lists them. Most tests of the root package are about files of the
// repository, or build for other systems.
var targets = []target{
	{pkg: "capset", tests: []string{". ./capset", ". ./filecap"}},
	{pkg: "filecap", tests: []string{". ./filecap", ". ./scan"}},
	{pkg: "law", tests: []string{". ./law", ". ./diagnose", ". ./internal/refusal", "test/kernel . Mutants|Disk|Mount"}},
	{pkg: "scenario/lookup", files: []string{"binfmt.go"}, tests: []string{". ./scenario/lookup"}},
	{pkg: "scenario", files: []string{"runtime.go"}, tests: []string{". ./scenario", ". ./diagnose", ". ./scenario/engine", ". ./scenario/unit", "cmd/capwise ./internal/kubernetes", "cmd/capwise ./internal/compose"}},
	{pkg: "diagnose", tests: []string{". ./diagnose", ". ./internal/refusal"}},
	{pkg: "internal/refusal", tests: []string{". ./internal/refusal"}},
	{pkg: "internal/sys", tests: []string{". ./internal/sys", ". ./cred", ". ./scan", ". ./filecap", ". ./scenario/process", ". . " + slow}},
	{pkg: ".", tests: []string{". . " + slow}},
	{pkg: "launch", tests: []string{". ./launch TestBuild|Architectures"}, launcher: true},
	{pkg: "fix", tests: []string{". ./fix"}},
	{pkg: "held", tests: []string{". ./held", ". ./fix"}},
}

const slow = "BuildsEverywhere|EveryFuzzer|Links|NoRequirements|NoVariables|OneDoor|ReadmeCode"

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
	text, ok := syscall.Getenv("` + variable + `")
	if !ok {
		text = capwiseNumber[len("` + numberMark + `"):]
	}
	n := 0
	for i := range len(text) {
		n = n*10 + int(text[i]-'0')
	}
	return n
}()

var capwiseNumber = "` + numberMark + `00000"

func capwisePick[T any](n int, changed, plain T) T {
	if capwiseMutant == n {
		return changed
	}
	return plain
}

var _ = capwisePick[int]
`
