package e2e

import (
	"fmt"
	"os"
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
			if err := os.Setenv("TMPDIR", dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		code := m.Run()
		results.print(os.Stdout)
		return code
	}))
}
