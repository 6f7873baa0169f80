package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// probesImage is Debian with the probe in three files, which differ in their
// capabilities.
var probesImage = sync.OnceValues(func() (*program.Program, error) {
	dir := filepath.Join(sandbox.Dir(), "programs", "probes")
	bin := filepath.Join(dir, "layer/usr/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	for name, made := range map[string]func() (*program.Program, error){"none": probeNone, "p": probePermitted, "ep": probeEffective} {
		p, err := made()
		if err != nil {
			return nil, err
		}
		if out, err := exec.Command("cp", "--preserve=all", p.Path, filepath.Join(bin, "probe-"+name)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	}
	layer := filepath.Join(dir, "layer.tar")
	out, err := exec.Command("tar", "-C", filepath.Join(dir, "layer"), "--format=pax", "--xattrs", "--xattrs-include=security.capability", "--owner=0", "--group=0", "-cf", layer, "usr").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return program.FromLayers(dir, "probes", debianTar(), layer)
})

// runLine is a command line of docker run or podman run, from behind "run".
type runLine struct {
	options, words []string
}

const listensOn = "tcp/:80"

// runLines is the command lines that are tried: each file, user, set of capabilities,
// network and wrapper with each other.
func runLines(r *runtimeUnderTest) []runLine {
	networks := [][]string{{"--sysctl=net.ipv4.ip_unprivileged_port_start=1024"}, {"--network=host"}, {"--network=host", "--sysctl=net.ipv4.ip_unprivileged_port_start=80"}}
	if r == docker {
		networks = append(networks, []string{"--init", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"})
	}
	var out []runLine
	for _, file := range []string{"none", "p", "ep"} {
		path := "/usr/bin/probe-" + file
		for _, words := range [][]string{{path, listensOn}, {"sh", "-c", "exec " + path + " " + listensOn}, {"sh", "-c", path + " " + listensOn}, {"env", "A=b", path, listensOn}} {
			for _, user := range [][]string{nil, {"--user=0"}, {"--user", "65532:65532"}} {
				for _, caps := range [][]string{nil, {"--cap-drop=ALL"}, {"--cap-drop=NET_BIND_SERVICE"}} {
					for _, nnp := range [][]string{nil, {"--security-opt", "no-new-privileges"}} {
						for _, network := range networks {
							out = append(out, runLine{slices.Concat(user, caps, nnp, network), words})
						}
					}
				}
			}
		}
	}
	return out
}

// hostPorts is held by who changes where unprivileged ports begin on the host.
var hostPorts sync.RWMutex

// TestRunRemedies starts command lines that fail with each of their remedies, as explain
// --patch prints it: a Containerfile is built, and a command line is run by a shell. None
// may fail.
func TestRunRemedies(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc} {
		t.Run(r.Name(), func(t *testing.T) {
			results.report(t, "remedies of run lines, applied by --patch, work", r.Name())
			need(t, append([]string{capwiseBinary(), debianTar(), "tar"}, r.needs...)...)
			image := get(t, probesImage)
			r.ready(t, image)
			t.Parallel()
			newShell(t, r, image).tag(t, image.Ref, image.Ref+"-original")
			lines := runLines(r)
			every := 41 // prime, so that all settings come in
			if os.Getenv(allUnits) == "all" {
				every = 5
			}
			counts := map[string]int{}
			for i := 0; i < len(lines); i += every {
				lines[i].remedied(t, r, image, counts)
			}
			t.Logf("remedies: %v", counts)
		})
	}
}

// remedied runs a line with each of its remedies.
func (l *runLine) remedied(t *testing.T, r *runtimeUnderTest, image *program.Program, counts map[string]int) {
	shell := newShell(t, r, image)
	args := shell.line(t, l)
	said := shell.explain(t, image, args)
	if said.Verdict == "ok" {
		counts["ok already"]++
		return
	}
	hostPorts.RLock()
	out, err := shell.sh(args[0] + " " + quoted(args[1:]))
	hostPorts.RUnlock()
	if err == nil && strings.Contains(out, "Bind "+listensOn+": ok") {
		t.Errorf("it works, and is said to fail\n%q\n%s", args, said.text)
	}
	if len(said.Remedies) == 0 {
		t.Errorf("no remedy\n%q\n%s", args, said.text)
	}
	for i := range said.Remedies {
		m := &said.Remedies[i]
		switch m.ByHand {
		case "", inProgram, onHost:
			counts[m.Change]++
			shell.apply(t, l, m, image)
		default:
			t.Errorf("the remedy %q (%s) is %s\n%q", m.How, m.Change, m.ByHand, args)
		}
	}
}

// shell runs command lines of an engine as a person types them: programs called docker
// and podman in its PATH lead to the engine of the tests.
type shell struct {
	runtime *runtimeUnderTest
	name    string
	dir     string
	prefix  []string // the engine's own command line, up to "run"
	options []string // that every container of the tests has
}

func newShell(t *testing.T, r *runtimeUnderTest, image *program.Program) *shell {
	t.Helper()
	s := &shell{runtime: r, name: fmt.Sprintf("capwise-e2e-%d", units.Add(1)), dir: publicDir(t)}
	argv, err := r.Command(s.name, engine.Spec{Program: image, PortStart: engine.AnyPortStart, Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	run := slices.Index(argv, "run")
	s.prefix, s.options = argv[:run], slices.DeleteFunc(slices.Clone(argv[run+1:len(argv)-2]), func(o string) bool { return o == "--cap-drop=ALL" })
	real, err := exec.LookPath(s.prefix[0])
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexport BUILDAH_ISOLATION=chroot DOCKER_BUILDKIT=0\nexec " + real + " " + quoted(s.prefix[1:]) + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(s.dir, filepath.Base(s.prefix[0])), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// quoted is words for a shell.
func quoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(" '" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}

// line is the whole command line.
func (s *shell) line(t *testing.T, l *runLine) []string {
	t.Helper()
	options := s.options
	if slices.ContainsFunc(l.options, func(o string) bool { return strings.HasPrefix(o, "--network=") }) {
		options = slices.DeleteFunc(slices.Clone(options), func(o string) bool { return o == "--network=none" })
	}
	args := append([]string{filepath.Base(s.prefix[0]), "run"}, options...)
	args = append(append(args, l.options...), get(t, probesImage).Ref)
	return append(args, l.words...)
}

// sh runs a line by a shell, and removes the container that it made.
func (s *shell) sh(line string) (string, error) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	_ = s.runtime.Remove(s.name) // there is none where the engine refused it
	return string(out), err
}

// explain asks for the remedies of a command line.
func (s *shell) explain(t *testing.T, image *program.Program, args []string) answer {
	t.Helper()
	flags := []string{
		"explain", "--patch", "--format=json", "--runtime-version=" + versions[s.runtime.Name()],
		"--image=docker-archive:" + image.Archive, "--listen=:80", "--program=aware", "--",
	}
	out, err := exec.Command(capwiseBinary(), append(flags, args...)...).Output()
	exit := new(exec.ExitError)
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 1) {
		t.Fatalf("explain %q: %v: %s", args, err, exit.Stderr)
	}
	var found struct{ Starts []answer }
	if err := json.Unmarshal(out, &found); err != nil || len(found.Starts) != 1 {
		t.Fatalf("explain printed %s: %v", out, err)
	}
	found.Starts[0].text = string(out)
	return found.Starts[0]
}

// apply makes a remedy as it is printed, and runs the line.
func (s *shell) apply(t *testing.T, l *runLine, m *remedyFound, image *program.Program) {
	t.Helper()
	line := m.Patch
	if line == "" {
		args := s.line(t, l)
		line = args[0] + quoted(args[1:])
	}
	address := listensOn
	if m.ByHand == inProgram { // which is its command line
		_, to, _ := strings.Cut(m.How, "listen on tcp ")
		to, _, _ = strings.Cut(to, " ")
		address = "tcp/" + to
		line = strings.ReplaceAll(line, listensOn, address)
	}
	if m.FilePatch != "" {
		s.build(t, m.FilePatch)
		defer s.tag(t, image.Ref+"-original", image.Ref) // which was built over
	}
	out, err := s.on(m, line)
	if err != nil || !strings.Contains(out, "Bind "+address+": ok") {
		t.Errorf("the remedy %q (%s) does not help %q: %v\n%s%s\n%s", m.How, m.Change, s.line(t, l), err, m.FilePatch, line, out)
	}
}

// on runs a line where the host is as a remedy wants it.
func (s *shell) on(m *remedyFound, line string) (string, error) {
	const network, name = "/proc/self/ns/net", "net.ipv4.ip_unprivileged_port_start="
	if m.ByHand != onHost {
		hostPorts.RLock()
		defer hostPorts.RUnlock()
		return s.sh(line)
	}
	hostPorts.Lock()
	defer hostPorts.Unlock()
	_, port, _ := strings.Cut(m.How, "on the host: sysctl -w "+name)
	port, _, _ = strings.Cut(port, ",")
	if err := netns.Sysctl(network, name+port); err != nil {
		return "", err
	}
	out, err := s.sh(line)
	return out, errors.Join(err, netns.Sysctl(network, name+strconv.Itoa(law.DefaultPortStart)))
}

// tag gives an image another name.
func (s *shell) tag(t *testing.T, name, other string) {
	t.Helper()
	if out, err := s.sh(filepath.Base(s.prefix[0]) + " tag " + name + " " + other); err != nil {
		t.Errorf("tag: %v: %s", err, out)
	}
}

// build builds a Containerfile by the command in its first line.
func (s *shell) build(t *testing.T, diff string) {
	t.Helper()
	name, text := newFile(t, diff)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text, "\n")
	if out, err := s.sh(strings.TrimPrefix(first, "# ")); err != nil {
		t.Errorf("%s: %v\n%s\n%s", first, err, text, out)
	}
}
