//go:build linux

package kerneltest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// PublicDir makes a folder of the caller's that every user may enter, below
// parent or, if that is "", where temporary files go. It is gone after the test.
func PublicDir(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "capwise-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// launchersVar names the environment variable with the folder of launchers that
// were built already, as test/mutants does.
const launchersVar = "CAPWISE_TEST_LAUNCHERS"

// Launchers returns the launchers as the command line gets them, by architecture,
// for tests in a folder of the repository's root.
func Launchers(t testing.TB) map[string][]byte {
	t.Helper()
	programs, err := launchers()
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

var launchers = sync.OnceValues(func() (map[string][]byte, error) {
	if dir := os.Getenv(launchersVar); dir != "" {
		return readLaunchers(dir)
	}
	dir, err := os.MkdirTemp("", "capwise-launchers-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the folder for temporary files
	cmd := exec.Command("../scripts/launchers.sh", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return readLaunchers(dir)
})

func readLaunchers(dir string) (map[string][]byte, error) {
	files, err := filepath.Glob(dir + "/*.gz")
	if err != nil {
		return nil, err
	}
	programs := map[string][]byte{}
	for _, file := range files {
		packed, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		arch := strings.TrimSuffix(filepath.Base(file), ".gz")
		if programs[arch], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	return programs, nil
}
