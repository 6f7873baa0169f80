package e2e

import (
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
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

// TestBuilder builds a Caddy of an older version with a plugin that no proxy has, by
// a Containerfile in two stages, and starts it with everything dropped. The plugin
// is in a git repository behind https, as private ones are. Whether the capability
// gets from one stage to the other is the builder's affair: Docker's of before
// BuildKit loses it.
func TestBuilder(t *testing.T) {
	type buildCase struct {
		runtime *runtimeUnderTest
		keeps   bool
	}
	builders := []buildCase{{docker, false}}
	if os.Getenv("CAPWISE_TEST") == "all" { // it compiles all of Caddy once more
		builders = append(builders, buildCase{podmanRunc, true})
	}
	for _, tc := range builders {
		r := tc.runtime
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			results.report(t, "caddy-builder: a Caddy 2.10.2 with a plugin from a git repository, in two stages", r.Name())
			need(t, append([]string{capwiseBinary(), "git"}, r.needs...)...)
			r.ready(t, get(t, builderImage))
			r.ready(t, get(t, caddyPermitted))
			builder := r.Engine.(engine.Builder)
			context := containerfile(t)
			repositories, commit := serveRepository(t, context)
			err := builder.Build(context, withPlugin,
				"GOPROXY="+serveModules(t), "GOSUMDB=off", "REPOSITORIES="+repositories, "COMMIT="+commit)
			if err != nil {
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

// serveRepository serves the folder plugin of the build context as the repository
// plugin.git and returns the address above it and the commit. The context gets the
// certificate of the server.
func serveRepository(t *testing.T, context string) (url, commit string) {
	t.Helper()
	dir := t.TempDir()
	repository := filepath.Join(dir, "plugin.git")
	if err := os.Rename(filepath.Join(context, "plugin"), repository); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", repository}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	git("add", ".")
	git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=A plugin")
	server := httptest.NewTLSServer(&cgi.Handler{
		Path: filepath.Join(git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(context, "authority.pem"), authority, 0o644); err != nil {
		t.Fatal(err)
	}
	return server.URL, git("rev-parse", "HEAD")
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
