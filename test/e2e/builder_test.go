package e2e

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

const withPlugin = "capwise-e2e/with-plugin:latest"

// builderImage is the image that builds; nothing in it is started by tests, but
// by engines that build.
var builderImage = sync.OnceValues(func() (*program.Program, error) {
	archive := artifact("CAPWISE_BUILDER_IMAGE", "../../dist/caddy-builder-amd64.tar")
	return program.FromArchive("caddy-builder", archive, "/usr/bin/xcaddy", "")
})

// TestBuilder builds a Caddy of an older version with a plugin, by a Containerfile
// in two stages, and starts it with everything dropped. Whether the capability
// gets from one stage to the other is the builder's affair: Docker's of before
// BuildKit loses it.
func TestBuilder(t *testing.T) {
	for _, tc := range []struct {
		runtime *runtimeUnderTest
		keeps   bool
	}{{docker, false}, {podmanRunc, true}} {
		r := tc.runtime
		t.Run(r.Name(), func(t *testing.T) {
			results.report(t, "caddy-builder: a Caddy 2.10.2 with a plugin, in two stages", r.Name())
			need(t, append([]string{capwiseBinary()}, r.needs...)...)
			r.ready(t, get(t, builderImage))
			r.ready(t, get(t, caddyPermitted))
			builder := r.Engine.(engine.Builder)
			if err := builder.Build(containerfile(t), withPlugin, "GOPROXY="+serveModules(t), "GOSUMDB=off"); err != nil {
				t.Fatal(err)
			}
			archive := filepath.Join(t.TempDir(), "image.tar")
			if err := builder.Save(withPlugin, archive); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(capwiseBinary(), "scan", "docker-archive:"+archive).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			kept := strings.Contains(string(out), "/usr/bin/caddy  cap_net_bind_service=p  built by capwise build")
			if kept != tc.keeps {
				t.Errorf("the capability is in the image: %t, want %t\n%s", kept, tc.keeps, out)
			}
			built := &program.Program{Name: "with-plugin", Archive: archive, Ref: withPlugin, InImage: "/usr/bin/caddy"}
			p := r.begin(t, engine.Spec{Program: built, Args: []string{"list-modules"}, User: "65532", PortStart: engine.AnyPortStart})
			if code := p.wait(t); code != 0 || !strings.Contains(p.stdout.String(), "\nhttp.handlers.hello\n") {
				t.Errorf("exit code %d, want the plugin among the modules:\n%s", code, p.stdout.String())
			}
		})
	}
}

// containerfile copies what is to be built to where daemons may read it.
func containerfile(t *testing.T) string {
	t.Helper()
	dir := publicDir(t)
	if err := os.CopyFS(filepath.Join(dir, "context"), os.DirFS("testdata/builder")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "context")
}

// serveModules serves what this machine has downloaded, as a module proxy: tests
// have no other network than loopback. The command line's tests have built the
// same before.
func serveModules(t *testing.T) string {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(cache)), "cache", "download")
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return "http://" + ln.Addr().String()
}
