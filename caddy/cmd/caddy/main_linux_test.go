// The tests in this directory start the built program, and upstream's beside
// it, as users do. CAPWISE_CADDY and CAPWISE_UPSTREAM_CADDY name the two;
// "make build" and "make test" build them where they are looked for otherwise.
package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
)

// nobody is the user and group id of processes that have no capability.
const nobody = 65532

// shared is a directory that any user can enter, for the programs.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "capwise-caddy-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var (
	copying sync.Mutex
	copies  = map[string]string{}
)

// ours returns our Caddy, where any user may execute it. Capabilities are those
// of the file, in libcap's notation; setting them needs root.
func ours(t testing.TB, capabilities string) string {
	t.Helper()
	return program(t, "CAPWISE_CADDY", "../../../bin/caddy", "make build", capabilities)
}

// upstream returns upstream's Caddy likewise.
func upstream(t testing.TB, capabilities string) string {
	t.Helper()
	return program(t, "CAPWISE_UPSTREAM_CADDY", "../../../.cache/upstream/caddy", "make test builds it", capabilities)
}

func program(t testing.TB, variable, byDefault, how, capabilities string) string {
	t.Helper()
	copying.Lock()
	defer copying.Unlock()
	if path, ok := copies[variable+capabilities]; ok {
		return path
	}
	source := os.Getenv(variable)
	if source == "" {
		source = byDefault
	}
	need.File(t, source, how)
	// Each in a directory of its own, under the same name: it shows in messages.
	dir, err := os.MkdirTemp(shared, "program-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "caddy")
	if err := copyProgram(source, path); err != nil {
		t.Fatal(err)
	}
	if capabilities != "" {
		need.Root(t)
		caps, err := filecap.FromText(capabilities)
		if err != nil {
			t.Fatal(err)
		}
		if err := filecap.Set(path, caps); err != nil {
			t.Fatal(err)
		}
	}
	copies[variable+capabilities] = path
	return path
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read from
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		_ = dst.Close()
		return err
	}
	return dst.Close()
}
