package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// The image, as it is, as "capwise fix" leaves it, and with everything as
// permitted, whoever needs more.
var (
	realBefore = sync.OnceValues(func() (*program.Program, error) { return realImage("real-before") })
	realAfter  = sync.OnceValues(func() (*program.Program, error) { return fixedImage("real-after") })
	realOnly   = sync.OnceValues(func() (*program.Program, error) { return fixedImage("real-permitted", "--mode=permitted") })
)

func realLayers() []string {
	return []string{debianTar(), artifact("", "../../.cache/realcases/programs.tar")}
}

func realImage(name string) (*program.Program, error) {
	dir := filepath.Join(stateDir("programs"), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return program.FromLayers(dir, name, realLayers()...)
}

func fixedImage(name string, flags ...string) (*program.Program, error) {
	p, err := realImage(name)
	if err != nil {
		return nil, err
	}
	f, err := fixAsNobody(p, flags...)
	if err != nil {
		return nil, err
	}
	return f.Program, os.Remove(f.before)
}

// TestRealCases starts each program as it comes and fixed, with everything
// dropped, and has it do its job with what it needs granted.
func TestRealCases(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			for _, c := range realCases {
				c.test(t, r, "as it comes, dropped: dies", realBefore, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
					s := c.run(t, r, p, append([]string{c.file}, c.start...))
					if s.wait(t) == 0 {
						t.Error("it starts")
					}
					s.diedAtExec(t)
				})
				c.test(t, r, "fixed, dropped: starts", realAfter, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
					s := c.run(t, r, p, append([]string{c.file}, c.start...))
					s.wait(t)
					s.said(t, c.says)
				})
				c.test(t, r, "fixed, granted: does its job", realAfter, c.works)
			}
		})
	}
}

// TestRealVerdicts holds what scan says about each program, and that it is true:
// with its capabilities as permitted and granted, it does its job if, and only
// if, it is aware.
func TestRealVerdicts(t *testing.T) {
	need(t, append([]string{"root", capwiseBinary()}, realLayers()...)...)
	before, after := "docker-archive:"+get(t, realBefore).Archive, "docker-archive:"+get(t, realAfter).Archive
	judged(t, realCases, before, after)
	again, err := exec.Command(capwiseBinary(), "fix", after).Output()
	if err != nil || !strings.HasPrefix(string(again), "nothing to do") {
		t.Errorf("a second run: %v: %s", err, again)
	}
	for _, c := range realCases {
		c.test(t, docker, "permitted, granted: does its job if aware", realOnly, func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
			if c.verdict != "dumb" {
				c.works(t, r, p)
				return
			}
			s := c.run(t, r, p, c.job.command, c.needs...)
			if code := s.wait(t); code == 0 {
				t.Error("it does its job, and is not dumb")
			}
		})
	}
}

// TestRealTree scans and fixes Debian's programs as files.
func TestRealTree(t *testing.T) {
	results.report(t, "Debian's programs as files: scanned, fixed, scanned", "plain")
	need(t, append([]string{"root", capwiseBinary(), "tar"}, realLayers()...)...)
	dir := publicDir(t)
	before, after := filepath.Join(dir, "before"), filepath.Join(dir, "after")
	for _, tree := range []string{before, after} {
		if err := os.Mkdir(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		command(t, "tar", "-C", tree, "--xattrs", "--xattrs-include=security.capability", "--numeric-owner", "-xf", realLayers()[0])
	}
	command(t, capwiseBinary(), "fix", after)
	var debian []realCase
	for _, c := range realCases {
		if _, err := os.Stat(filepath.Join(before, c.file)); err == nil {
			debian = append(debian, c)
		}
	}
	judged(t, debian, before, after)
}

// command runs a command and returns what it says.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// judged checks what capwise scan says before and after.
func judged(t *testing.T, cases []realCase, before, after string) {
	t.Helper()
	was, is := scanned(t, before), scanned(t, after, "--fail-on=dumb,aware-but-effective,unknown")
	for _, c := range cases {
		if got := was[c.file]; got.Verdict != c.verdict {
			t.Errorf("%s: %s, want %s: %s", c.name, got.Verdict, c.verdict, got.Evidence)
		}
		if got := is[c.file]; got.Verdict != "aware" || got.Capabilities != c.fixed {
			t.Errorf("%s, fixed: %+v, want aware and %s", c.name, got, c.fixed)
		}
	}
	for name, got := range is { // the programs behind launchers
		if strings.HasSuffix(name, program.TargetSuffix) && got.Verdict == "aware" && strings.Contains(got.Evidence, "started by") {
			delete(is, name)
		}
	}
	if len(was) != len(cases) || len(is) != len(cases) {
		t.Errorf("%d files carry capabilities, then %d; want %d: %v, then %v", len(was), len(is), len(cases), was, is)
	}
}

func (c realCase) test(t *testing.T, r *runtimeUnderTest, what string, image func() (*program.Program, error), f func(*testing.T, *runtimeUnderTest, *program.Program)) {
	t.Helper()
	t.Run(c.name+"/"+what, func(t *testing.T) {
		results.report(t, c.name+" "+what, r.Name())
		need(t, append(append([]string{"root", capwiseBinary()}, realLayers()...), r.needs...)...)
		f(t, r, get(t, image))
	})
}

// works checks that the program does its job with what it needs.
func (c realCase) works(t *testing.T, r *runtimeUnderTest, p *program.Program) {
	s := c.run(t, r, p, c.job.command, c.needs...)
	if c.job.ask != nil {
		c.job.ask(t, s)
		return
	}
	if code := s.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.said(t, c.job.says)
}

// run starts a command in the image as a user who is nobody, where neither ports
// nor ping are for everybody.
func (c realCase) run(t *testing.T, r *runtimeUnderTest, p *program.Program, command []string, granted ...string) *running {
	t.Helper()
	spec := engine.Spec{
		Program: p, User: "65532", Add: granted, PortStart: 1024,
		Extra: []string{"--sysctl=net.ipv4.ping_group_range=1 0"},
	}
	if c.job.ask != nil && len(granted) > 0 {
		spec.Config = publicDir(t)
		for name, text := range realConfigs {
			if err := os.WriteFile(filepath.Join(spec.Config, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, arg := range command {
		spec.Command = append(spec.Command, strings.ReplaceAll(arg, "$DIR", spec.Config))
	}
	return r.begin(t, spec)
}

// said checks for a part of what it has said.
func (r *running) said(t *testing.T, part string) {
	t.Helper()
	if all := r.stdout.String() + r.stderr.String(); !strings.Contains(all, part) {
		t.Errorf("no %q in %q", part, all)
	}
}

// finding is what the test reads of a finding.
type finding struct{ Path, Capabilities, Verdict, Evidence string }

// scanned is what capwise scan finds in a target, by the file's path in it.
func scanned(t *testing.T, target string, flags ...string) map[string]finding {
	t.Helper()
	cmd := exec.Command(capwiseBinary(), append([]string{"scan", "--format=json", target}, flags...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v: %v", cmd.Args, err)
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	found := map[string]finding{}
	for _, f := range report.Findings {
		found[strings.TrimPrefix(f.Path, target)] = f
	}
	return found
}
