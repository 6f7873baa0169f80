package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// The file capabilities under test, in the notation of setcap(8).
const (
	permitted   = "cap_net_bind_service=p"  // what the project ships
	inheritable = "cap_net_bind_service=ei" // of a program behind a launcher
	effective   = "cap_net_bind_service=ep" // the official way
	none        = ""
)

// artifact is the absolute path that the environment variable names, because
// runtimes look at it from elsewhere.
func artifact(variable, otherwise string) string {
	path := os.Getenv(variable)
	if path == "" {
		path = otherwise
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // fails where it is opened, with its name
}

func capwiseBinary() string { return artifact("CAPWISE", "../../bin/capwise") }

func caddyBinary() string { return artifact("CAPWISE_CADDY", "../../bin/caddy") }

func corednsBinary() string { return artifact("CAPWISE_COREDNS", "../../bin/coredns") }

func upstreamBinary() string {
	return artifact("CAPWISE_UPSTREAM_CADDY", "../../.cache/upstream/caddy")
}

// The programs, each made when first used.
var (
	caddyPermitted = sync.OnceValues(func() (*program.Program, error) {
		own, err := derive("caddy-permitted", caddyBinary(), permitted)
		image := artifact("CAPWISE_CADDY_IMAGE", "../../dist/caddy-amd64.tar")
		if err != nil {
			return nil, err
		}
		return program.FromArchive(own.Name, image, "/usr/bin/caddy", own.Path)
	})
	caddyEffective = sync.OnceValues(func() (*program.Program, error) {
		return derive("caddy-effective", caddyBinary(), effective)
	})
	caddyNone = sync.OnceValues(func() (*program.Program, error) {
		return derive("caddy-none", caddyBinary(), none)
	})
	corednsPermitted = sync.OnceValues(func() (*program.Program, error) {
		own, err := derive("coredns-permitted", corednsBinary(), permitted)
		image := artifact("CAPWISE_COREDNS_IMAGE", "../../dist/coredns-amd64.tar")
		if err != nil {
			return nil, err
		}
		p, err := program.FromArchive(own.Name, image, "/coredns", own.Path)
		if err == nil {
			p.IsEntrypoint = true
		}
		return p, err
	})
	corednsEffective = sync.OnceValues(func() (*program.Program, error) {
		return derive("coredns-effective", corednsBinary(), effective)
	})
	corednsNone = sync.OnceValues(func() (*program.Program, error) {
		return derive("coredns-none", corednsBinary(), none)
	})
	upstreamPermitted = sync.OnceValues(func() (*program.Program, error) {
		return derive("upstream-permitted", upstreamBinary(), permitted)
	})
	probePermitted = sync.OnceValues(func() (*program.Program, error) { return probe("probe-permitted", permitted) })
	probeEffective = sync.OnceValues(func() (*program.Program, error) { return probe("probe-effective", effective) })
	probeOther     = sync.OnceValues(func() (*program.Program, error) { return probe("probe-other", "cap_net_raw=p") })
	probeForeign   = sync.OnceValues(func() (*program.Program, error) {
		return probe("probe-foreign", "-n 200000 "+permitted)
	})
	probeNone = sync.OnceValues(func() (*program.Program, error) { return probe("probe-none", none) })
)

// derive makes a program with other file capabilities from a binary.
func derive(name, binary, capabilities string) (*program.Program, error) {
	dir := filepath.Join(sandbox.Dir(), "programs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return program.New(dir, name, binary, capabilities)
}

func probe(name, capabilities string) (*program.Program, error) {
	binary, err := probeBinary()
	if err != nil {
		return nil, err
	}
	return derive(name, binary, capabilities)
}

var probeBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(sandbox.Dir(), "probe")
	return path, goBuild(path, "./internal/probe")
})

// goBuild builds a program of this folder, with the library of this checkout.
func goBuild(path, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, pkg)
	workspace, err := filepath.Abs("../../go.work")
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK="+workspace)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// get unwraps one of the programs above.
func get(t *testing.T, p func() (*program.Program, error)) *program.Program {
	t.Helper()
	got, err := p()
	var missing *fs.PathError
	if errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) {
		need(t, missing.Path) // an artifact that has not been built
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}
