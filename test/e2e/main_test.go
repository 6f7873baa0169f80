package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// Threads die in package netns. Keeping the main goroutine on the main thread
// keeps the others off it, so that /proc/self stays what it is.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	os.Exit(sandbox.Run(func() int {
		if dir := sandbox.Dir(); dir != "" {
			err := errors.Join(os.Setenv("TMPDIR", dir), os.Setenv("CAPWISE_CACHE", filepath.Join(dir, "cache")), os.Setenv("CAPWISE_OFFLINE", "1"))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		code := m.Run()
		if err := showResults(); err != nil {
			fmt.Fprintln(os.Stderr, "results:", err)
			return 1
		}
		return code
	}))
}

// showResults prints the table of results, which "go test" hides when all is well,
// and therefore also writes it to the file that CAPWISE_E2E_RESULTS names.
func showResults() error {
	if err := results.print(os.Stdout); err != nil {
		return err
	}
	path := os.Getenv("CAPWISE_E2E_RESULTS")
	if path == "" {
		return nil
	}
	var text bytes.Buffer
	if err := results.print(&text); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
