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
	cmd := exec.Command(copied, "fix", "docker-archive:"+f.before, "-o", "docker-archive:"+p.Archive)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir) // the tests' own is not for everybody
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
	}
	f.said = string(out)
	return f, nil
})

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
