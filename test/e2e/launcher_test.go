package e2e

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// The probe behind a launcher: as an image has it, and on disk.
var (
	probeBehind = sync.OnceValues(func() (*program.Program, error) {
		return behind("probe-behind", program.InImage+program.TargetSuffix)
	})
	probeBehindOnDisk = sync.OnceValues(func() (*program.Program, error) {
		const name = "probe-behind-on-disk"
		return behind(name, filepath.Join(sandbox.Dir(), "programs", name+program.TargetSuffix))
	})
)

// behind makes an image with the probe as target, and a launcher for it.
func behind(name, target string) (*program.Program, error) {
	dir := filepath.Join(sandbox.Dir(), "programs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	binary, err := probeBinary()
	if err != nil {
		return nil, err
	}
	empty, err := launcherBinary()
	if err != nil {
		return nil, err
	}
	stamped, err := launch.Stamp(empty, launch.Config{Caps: launch.Caps{Prefer: capset.Of(capset.NetBindService)}, Target: target, By: launch.File})
	if err != nil {
		return nil, err
	}
	launcher := filepath.Join(sandbox.Dir(), name+"-launcher")
	if err := os.WriteFile(launcher, stamped, 0o755); err != nil {
		return nil, err
	}
	return program.Behind(dir, name, launcher, permitted, binary, inheritable)
}

var launcherBinary = sync.OnceValues(func() (program []byte, err error) {
	dir := filepath.Join(sandbox.Dir(), "launchers")
	cmd := exec.Command("../../scripts/launchers.sh", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	packed, err := os.Open(filepath.Join(dir, runtime.GOARCH+".gz"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, packed.Close()) }()
	r, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
})

// launched is one start of a program that knows nothing of capabilities.
type launched struct {
	name     string
	add, nnp bool
	binds    bool
	fails    []string // runtime/user where it does not bind after all
	init     bool     // by the engine's own init; docker only
}

var launches = []launched{
	{name: "dropped"},
	{name: "dropped, no_new_privs", nnp: true},
	{name: "granted", add: true, binds: true},
	// As for a program that raises by itself: what the runtime left permitted.
	{name: "granted, no_new_privs", add: true, nnp: true, binds: true, fails: []string{"docker/65532", "systemd/65532"}},
	{name: "granted, --init", add: true, binds: true, init: true},
	{name: "granted, no_new_privs, --init", add: true, nnp: true, binds: true, init: true, fails: []string{"docker/65532"}},
}

// TestLauncher starts a dumb program, once with +ep and once behind a launcher.
func TestLauncher(t *testing.T) {
	for _, r := range runtimes {
		t.Run(r.Name(), func(t *testing.T) {
			needs := append([]string{"root", "go"}, r.needs...)
			t.Parallel()
			for _, user := range users {
				t.Run("+ep, dropped/"+user, func(t *testing.T) {
					results.report(t, "dumb program with +ep, dropped /"+user+": dies", r.Name())
					need(t, needs...)
					p := r.begin(t, engine.Spec{Program: get(t, probeEffective), User: user, PortStart: 1024, Args: []string{"dumb", "tcp/:8080"}})
					if p.wait(t) == 0 {
						t.Error("it starts")
					}
					p.diedAtExec(t)
				})
				for _, l := range launches {
					if l.init && r != docker {
						continue
					}
					t.Run(l.name+"/"+user, func(t *testing.T) {
						results.report(t, "dumb program behind a launcher, "+l.name+" /"+user, r.Name())
						need(t, needs...)
						l.hold(t, r, user)
					})
				}
			}
		})
	}
}

func (l launched) hold(t *testing.T, r *runtimeUnderTest, user string) {
	behind := probeBehind
	if r == systemd {
		behind = probeBehindOnDisk
	}
	spec := engine.Spec{
		Program: get(t, behind), User: user, PortStart: 1024, NoNewPrivs: l.nnp, ReadOnly: r != systemd,
		Args: []string{"dumb", "tcp/:8080", "tcp/:80"},
	}
	if l.add {
		spec.Add = []string{engine.NetBindService}
	}
	if l.init {
		spec.Extra = append(spec.Extra, "--init")
	}
	p := r.begin(t, spec)
	code := p.wait(t)
	low := "EACCES"
	if l.binds && !slices.Contains(l.fails, r.Name()+"/"+user) {
		low = "ok"
	}
	want := fmt.Sprintf("Bind tcp/:8080: ok\nBind tcp/:80: %s\n", low)
	if out := p.stdout.String(); code != 0 || !strings.HasSuffix(out, want) {
		t.Errorf("exit code %d, stdout %q; want 0 and %q", code, out, want)
	}
}
