// The tests in this directory look at the built program: that it is upstream's,
// and built by "capwise build". That it serves, test/e2e shows.
package main_test

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/need"
)

const upstream = "github.com/coredns/coredns"

// program is the path of the program under test: bin/coredns, or what the
// environment variable CAPWISE_COREDNS names.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CAPWISE_COREDNS")
	if path == "" {
		path = "../../../bin/coredns"
	}
	need.File(t, path, "make coredns")
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// upstreamFile reads a file of the module that the program is made of.
func upstreamFile(t *testing.T, name string) []byte {
	t.Helper()
	dir := strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Dir}}", upstream))
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestVersion holds that the program says the version that it was built from,
// as upstream's release does.
func TestVersion(t *testing.T) {
	want := strings.TrimPrefix(dependencies(t)[upstream], "v")
	got, _, _ := strings.Cut(output(t, program(t), "-version"), "\n")
	if want == "" || got != "CoreDNS-"+want {
		t.Errorf("it says %q, and is built from version %q", got, want)
	}
}

// TestPlugins holds that the program has every plugin that plugin.cfg names,
// from which upstream's program is generated, and no other.
func TestPlugins(t *testing.T) {
	var want []string
	lines := bufio.NewScanner(bytes.NewReader(upstreamFile(t, "plugin.cfg")))
	for lines.Scan() {
		if name, _, ok := strings.Cut(lines.Text(), ":"); ok && !strings.HasPrefix(name, "#") {
			want = append(want, name)
		}
	}
	got := strings.Fields(output(t, program(t), "-plugins"))
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("plugin %s is missing", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("plugin %q is not in plugin.cfg", name)
		}
	}
	if len(want) < 50 {
		t.Errorf("plugin.cfg has %d plugins", len(want))
	}
}

// TestVersions holds that everything in the program has the version with which
// upstream builds.
func TestVersions(t *testing.T) {
	wanted := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) (v\S+)`).FindAllSubmatch(upstreamFile(t, "go.mod"), -1) {
		wanted[string(m[1])] = string(m[2])
	}
	for path, version := range dependencies(t) {
		if want, ok := wanted[path]; version != want && path != upstream {
			t.Errorf("%s is %s, and upstream has %q (named: %t)", path, version, want, ok)
		}
	}
}

// TestAware holds that the program raises by itself: a plain "go build" would
// make one that starts, and may not bind.
func TestAware(t *testing.T) {
	file, err := os.Open(program(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	result, err := aware.Detect(file)
	if err != nil {
		t.Fatal(err)
	}
	if result.Answer != aware.Aware || !result.Injected {
		t.Errorf("%s: %s", result.Answer, result.Evidence)
	}
}

// dependencies returns the modules in the program with their versions.
func dependencies(t *testing.T) map[string]string {
	t.Helper()
	info, err := buildinfo.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, m := range info.Deps {
		versions[m.Path] = m.Version
	}
	return versions
}
