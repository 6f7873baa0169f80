package gobuild

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOthers holds what is taken over from the user's own overlay, with names as
// the go command understands them.
func TestOthers(t *testing.T) {
	dir := module(t)
	overlay := `{"Replace": {"main.go": "other.go", "/abs/a.go": "/abs/b.go", "gone.go": ""}}`
	if err := errors.Join(os.WriteFile("o.json", []byte(overlay), 0o600), os.WriteFile("bad.json", []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{dir + "/main.go": dir + "/other.go", "/abs/a.go": "/abs/b.go", dir + "/gone.go": ""}
	for _, tc := range []struct {
		line, goflags string
		want          map[string]string
		fails         bool
	}{
		{"build .", "", nil, false},
		{"build -overlay o.json .", "", want, false},
		{"build .", "-overlay=o.json", want, false},
		{"build -overlay=o.json .", "-overlay=bad.json", want, false}, // the command line counts
		{"build -overlay=missing.json .", "", nil, true},
	} {
		t.Setenv("GOFLAGS", tc.goflags)
		b := build{dir: dir, all: parse(append(split(tc.goflags), strings.Fields(tc.line)[1:]...))}
		got, err := b.others()
		if !maps.Equal(got, tc.want) || (err != nil) != tc.fails {
			t.Errorf("GOFLAGS=%s go %s: got %v, %v, want %v", tc.goflags, tc.line, got, err, tc.want)
		}
	}
	b := build{dir: dir, all: arguments{overlay: "bad.json"}}
	if _, err := b.others(); err == nil {
		t.Error("an overlay that is no JSON: no error")
	}
}

// TestLateOverlay holds where an overlay of the user's would hide ours.
func TestLateOverlay(t *testing.T) {
	for line, fails := range map[string]bool{
		"test -overlay=o.json ./lib":          false,
		"test ./lib -overlay=o.json":          true,
		"test ./lib -v --overlay o.json":      true,
		"test ./lib -args -overlay=o.json":    false,
		"build ./lib -overlay=o.json":         false, // no package, as the go command says
		"run ./cmd/one -overlay=o.json -more": false, // the program's own
	} {
		words := strings.Fields(line)
		b := build{verb: words[0], args: parse(words[1:])}
		if err := b.lateOverlay(); (err != nil) != fails {
			t.Errorf("go %s: got %v", line, err)
		}
	}
}

// TestReachable holds that a toolchain below the module cache, where the go command
// takes no overlay, is reached through a link from elsewhere.
func TestReachable(t *testing.T) {
	dir := t.TempDir()
	cache, modules := filepath.Join(dir, "cache"), filepath.Join(dir, "mod")
	for root, linked := range map[string]bool{
		"/usr/lib/go":                     false,
		dir + "/mod/golang.org/toolchain": true,
		dir + "/module":                   false,
		dir:                               false,
	} {
		b := build{settings: &Settings{Go: "/usr/bin/go"}, env: goEnv{GOROOT: root, GOMODCACHE: modules, GOCACHE: cache}}
		for range 2 { // the second finds the link there
			b.env.GOROOT = root
			if err := b.reachable(); err != nil {
				t.Fatal(err)
			}
		}
		command := "/usr/bin/go"
		if linked {
			command = b.env.GOROOT + "/bin/go"
		}
		target, err := os.Readlink(b.env.GOROOT)
		if (err == nil && target == root) != linked || b.command() != command {
			t.Errorf("%s: got GOROOT=%s -> %q, command %s", root, b.env.GOROOT, target, b.command())
		}
		if linked {
			err := errors.Join(os.Remove(b.env.GOROOT), os.Symlink("/elsewhere", b.env.GOROOT))
			b.env.GOROOT = root
			if err == nil && b.reachable() == nil {
				t.Error("a link to another toolchain is taken")
			}
		}
	}
}

// TestOverlay holds that nothing is written where the go command has no cache.
func TestOverlay(t *testing.T) {
	for _, cache := range []string{"", "off", "cache"} {
		b := build{settings: &Settings{}, env: goEnv{GOCACHE: cache}}
		if name, err := b.overlay(); err == nil {
			t.Errorf("GOCACHE=%s: got %s, want an error", cache, name)
		}
	}
}

// TestOtherToolchain holds that only PACKAGE@VERSION is asked about: its module may
// want another toolchain than the one at hand.
func TestOtherToolchain(t *testing.T) {
	dir := t.TempDir()
	fake := filepath.Join(dir, "go")
	const script = "#!/bin/sh\ncase \"$GODEBUG\" in *toolchaintrace=1*) echo 'go: using go1.99.1 toolchain from cache' >&2;; esac\nexit 1\n"
	if err := os.WriteFile(fake, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"install example.com/server@latest": "[GOTOOLCHAIN=go1.99.1]",
		"run example.com/server@v1 -x":      "[GOTOOLCHAIN=go1.99.1]",
		"install ./cmd/one":                 "[]",
		"install":                           "[]",
		"build example.com/server@latest":   "[]", // which the go command refuses
	} {
		words := strings.Fields(line)
		b := build{settings: &Settings{Go: fake}, verb: words[0], args: parse(words[1:])}
		if got := fmt.Sprint(b.otherToolchain()); got != want {
			t.Errorf("go %s: got %s, want %s", line, got, want)
		}
	}
}

// TestFromEnvironment holds what a process that stands in for the go command wants
// to be told.
func TestFromEnvironment(t *testing.T) {
	for text, ok := range map[string]bool{
		"": false, "{": false, "{}": false, `{"go":""}`: false, `{"go":"/usr/bin/go","start":"keep"}`: true,
	} {
		t.Setenv(variable, text)
		s, err := fromEnvironment()
		if (err == nil) != ok {
			t.Errorf("%s=%s: got %v", variable, text, err)
		}
		if ok && (s.Go != "/usr/bin/go" || s.Start != "keep") {
			t.Errorf("got %+v", s)
		}
	}
}

// TestFind holds that a build within another takes that one's go command, and the
// settings that it was given itself.
func TestFind(t *testing.T) {
	t.Setenv(variable, `{"go":"/real/go","log":"/log","start":"keep"}`)
	s := Settings{Start: "demote"}
	if err := s.find(); err != nil || s.Go != "/real/go" || s.Log != "/log" || s.Start != "demote" {
		t.Errorf("got %+v, %v", s, err)
	}
	given := Settings{Go: "/my/go"}
	if err := given.find(); err != nil || given.Go != "/my/go" || given.Log != "" {
		t.Errorf("got %+v, %v", given, err)
	}
	t.Setenv(variable, "{")
	if err := (&Settings{}).find(); err == nil {
		t.Error("settings that are no JSON: no error")
	}
	t.Setenv(variable, "")
	t.Setenv("PATH", "/nowhere")
	if err := (&Settings{}).find(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("no go command in PATH: got %v", err)
	}
}

// TestExitCode holds that a command's own code is passed on, also where a signal
// ended it.
func TestExitCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 1} {
		err := exec.Command("/bin/sh", "-c", script).Run()
		if got := exitCode(err); got != want {
			t.Errorf("%s: got %d, want %d", script, got, want)
		}
	}
	if got := exitCode(errors.New("its own")); got != 1 {
		t.Errorf("an error of its own: got %d", got)
	}
}

// TestAround holds that a command which built nothing through the go command fails,
// and one that did does not.
func TestAround(t *testing.T) {
	for script, ok := range map[string]bool{
		"true":                        false,
		"exit 4":                      false,
		`printf 'test\n' >>"$BUILT"`:  true,
		`printf 'build\n' >>"$BUILT"`: true,
	} {
		built := filepath.Join(t.TempDir(), "built")
		if err := os.WriteFile(built, []byte("build\n"), 0o600); err != nil { // of an earlier command
			t.Fatal(err)
		}
		t.Setenv("BUILT", built)
		t.Setenv("PATH", os.Getenv("PATH"))
		t.Setenv(variable, "")
		s := Settings{Go: "/usr/bin/go", Log: built}
		if err := s.Around([]string{"sh", "-c", script}); (err == nil) != ok {
			t.Errorf("%s: got %v", script, err)
		}
	}
}
