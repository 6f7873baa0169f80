package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// fixed is an image with +ep, and what "capwise fix" made of it as a user who may
// do nothing.
type fixed struct {
	*program.Program
	before string // the archive as it was
	said   string
}

var caddyFixed = sync.OnceValues(func() (*fixed, error) {
	p, err := derive("caddy-fixed", caddyBinary(), effective)
	if err != nil {
		return nil, err
	}
	return fixAsNobody(p)
})

// dumbFixed is a program that knows nothing of capabilities, with +ep: the
// command finds that out by itself.
var dumbFixed = sync.OnceValues(func() (*fixed, error) {
	binary := filepath.Join(sandbox.Dir(), "dumb")
	if err := goBuild(binary, "./internal/dumb"); err != nil {
		return nil, err
	}
	p, err := derive("dumb-fixed", binary, effective)
	if err != nil {
		return nil, err
	}
	return fixAsNobody(p)
})

// fixAsNobody runs "capwise fix" on the program's image, and has the program's
// image be the result.
func fixAsNobody(p *program.Program, args ...string) (*fixed, error) {
	dir, err := os.MkdirTemp(sandbox.Dir(), "fix-")
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, 65532, 65532); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(capwiseBinary())
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(dir, "capwise")
	if err := os.WriteFile(copied, binary, 0o755); err != nil {
		return nil, err
	}
	f := &fixed{Program: p, before: p.Archive}
	p.Archive = filepath.Join(dir, "fixed.tar")
	cmd := exec.Command(copied, append([]string{"fix", "docker-archive:" + f.before, "-o", "docker-archive:" + p.Archive}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir) // the tests' own is not for everybody
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
	}
	f.said = string(out)
	return f, nil
}

// TestFix changes an image whose program has +ep, without root and without an
// engine, and starts it with everything dropped.
func TestFix(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		t.Run(r.Name(), func(t *testing.T) {
			results.report(t, "an image with +ep, fixed: version, all dropped /65532", r.Name())
			need(t, append([]string{capwiseBinary(), caddyBinary()}, r.needs...)...)
			f, err := caddyFixed()
			if err != nil {
				t.Fatal(err)
			}
			p := r.begin(t, engine.Spec{Program: f.Program, Args: []string{"version"}, User: "65532", PortStart: engine.AnyPortStart})
			if code := p.wait(t); code != 0 || !strings.HasPrefix(p.stdout.String(), "v2.") {
				t.Errorf("exit code %d, want a version; capwise fix said\n%s", code, f.said)
			}
		})
	}
}

// TestFixedLayer compares the layers before and after, as cmp(1) does.
func TestFixedLayer(t *testing.T) {
	need(t, "root", "setcap", capwiseBinary(), caddyBinary())
	f, err := caddyFixed()
	if err != nil {
		t.Fatal(err)
	}
	before, after := layerOf(t, f.before), layerOf(t, f.Archive)
	if len(before) != len(after) {
		t.Fatalf("%d bytes, then %d", len(before), len(after))
	}
	var differ []int
	for i := range before {
		if before[i] != after[i] {
			differ = append(differ, i)
		}
	}
	if len(differ) != 1 || before[differ[0]]^after[differ[0]] != 1 {
		t.Errorf("bytes %v differ, want one, in one bit", differ)
	}
	again, err := exec.Command(capwiseBinary(), "fix", "docker-archive:"+f.Archive).Output()
	if err != nil || !strings.HasPrefix(string(again), "nothing to do") {
		t.Errorf("a second run: %v: %s", err, again)
	}
}

// TestFixLauncher puts a launcher into an image whose program knows nothing of
// capabilities and has +ep, without root and without an engine. It starts with
// everything dropped, and has its capability where that is granted.
func TestFixLauncher(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		for low, add := range map[string][]string{"EACCES": nil, "ok": {engine.NetBindService}} {
			name := "dropped"
			if add != nil {
				name = "granted"
			}
			t.Run(r.Name()+"/"+name, func(t *testing.T) {
				results.report(t, "a dumb program with +ep in an image, fixed: "+name+" /65532", r.Name())
				need(t, append([]string{"root", "go", capwiseBinary()}, r.needs...)...)
				f, err := dumbFixed()
				if err != nil {
					t.Fatal(err)
				}
				p := r.begin(t, engine.Spec{Program: f.Program, Args: []string{":8080", ":80"}, User: "65532", PortStart: 1024, Add: add})
				code, want := p.wait(t), "Bind :8080: ok\nBind :80: "+low+"\n"
				if got := p.stdout.String(); code != 0 || got != want {
					t.Errorf("exit code %d, stdout %q; want %q; capwise fix said\n%s", code, got, want, f.said)
				}
			})
		}
	}
}

// TestFixedByLauncher holds that asking for a launcher gives what the command finds
// by itself, and that a second run has nothing to do.
func TestFixedByLauncher(t *testing.T) {
	need(t, "root", "setcap", "go", capwiseBinary())
	f, err := dumbFixed()
	if err != nil {
		t.Fatal(err)
	}
	asked := filepath.Join(t.TempDir(), "asked.tar")
	out, err := exec.Command(capwiseBinary(), "fix", "--mode", "launcher", "docker-archive:"+f.before, "-o", "docker-archive:"+asked).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "moves to "+f.InImage+program.TargetSuffix) {
		t.Fatalf("%v: %s", err, out)
	}
	if !bytes.Equal(layerOf(t, asked), layerOf(t, f.Archive)) {
		t.Error("the two differ")
	}
	for _, mode := range []string{"auto", "launcher"} {
		again, err := exec.Command(capwiseBinary(), "fix", "--mode", mode, "docker-archive:"+f.Archive).Output()
		if err != nil || !strings.HasPrefix(string(again), "nothing to do") {
			t.Errorf("a second run in mode %s: %v: %s", mode, err, again)
		}
	}
}

// layerOf returns the one layer of an archive of program.New.
func layerOf(t *testing.T, archive string) []byte {
	t.Helper()
	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s: no layer: %v", archive, err)
		}
		if h.Name == "layer.tar" {
			layer, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return layer
		}
	}
}
