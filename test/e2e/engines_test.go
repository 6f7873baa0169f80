package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// runtimeUnderTest is an engine that starts when the first test uses it, and loads each
// program once.
type runtimeUnderTest struct {
	engine.Engine
	needs  []string
	start  func() error
	mu     sync.Mutex
	loaded map[string]error
}

func newRuntime(e engine.Engine, needs ...string) *runtimeUnderTest {
	return &runtimeUnderTest{
		Engine: e,
		needs:  append([]string{"root", "setcap"}, needs...),
		start:  sync.OnceValue(e.Start),
		loaded: map[string]error{},
	}
}

func stateDir(name string) string { return filepath.Join(sandbox.Dir(), name) }

var (
	dockerEngine = engine.NewDocker(stateDir("docker"), sandbox.CgroupName())
	docker       = newRuntime(dockerEngine, "dockerd", "docker", "iptables")
	podmanRunc   = newRuntime(engine.NewPodman("runc", stateDir("podman-runc"), sandbox.CgroupName()), "podman", "runc", "conmon")
	podmanCrun   = newRuntime(engine.NewPodman("crun", stateDir("podman-crun"), sandbox.CgroupName()), "podman", "crun", "conmon")

	systemdEngine = engine.NewSystemd(stateDir("systemd"), sandbox.CgroupName())
	systemd       = newRuntime(systemdEngine, "systemd", "dbus-daemon", "nsenter", "ip")

	runtimes = []*runtimeUnderTest{docker, podmanRunc, podmanCrun, systemd}

	// runc by itself is asked only what depends on its configuration.
	ociEngine = engine.NewOCI("runc", stateDir("oci"), sandbox.CgroupName())
	runcAlone = newRuntime(ociEngine, "runc")
)

// ready skips where the runtime is missing and fails where it does not start
// or does not take the program.
func (r *runtimeUnderTest) ready(t *testing.T, p *program.Program) {
	t.Helper()
	need(t, r.needs...)
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err, done := r.loaded[p.Name]
	if !done {
		err = r.Load(p)
		r.loaded[p.Name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
}

var units atomic.Int32

// running is a program under a runtime.
type running struct {
	*process
	name    string
	runtime *runtimeUnderTest
}

// begin runs spec under the runtime until the test ends.
func (r *runtimeUnderTest) begin(t *testing.T, spec engine.Spec) *running {
	t.Helper()
	r.ready(t, spec.Program)
	name := fmt.Sprintf("capwise-e2e-%d", units.Add(1))
	argv, err := r.Command(name, spec)
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, exec.Command(argv[0], argv[1:]...), func() error { return r.Remove(name) })
	return &running{process: p, name: name, runtime: r}
}

// ask asks what is served on a port, from inside of the program's own network.
func (r *running) ask(t *testing.T, d *distribution, port int) string {
	t.Helper()
	network := func() (string, error) { return r.runtime.NetNS(r.name) }
	return r.await(t, network, func(path string) (string, error) {
		return d.ask(path, fmt.Sprintf("127.0.0.1:%d", port))
	})
}

// publicDir makes a folder that every user can read, for the time of the test.
func publicDir(t *testing.T) string {
	t.Helper()
	return kerneltest.PublicDir(t, sandbox.Dir())
}

// configDir writes a configuration to a file in a public folder. In the text,
// $DIR stands for that folder.
func configDir(t *testing.T, file, text string) string {
	t.Helper()
	dir := publicDir(t)
	text = strings.ReplaceAll(text, "$DIR", dir)
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
