package diagnose

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/internal/sys"
)

// TestUnknown holds that a fact which could not be had is named.
func TestUnknown(t *testing.T) {
	var c collector
	if !c.have("seccomp", nil) || c.have("file", errors.New("no /proc")) {
		t.Error("an error is taken for a fact, or a fact for an error")
	}
	if !slices.Equal(c.facts.Unknown, []string{"file"}) {
		t.Errorf("got %q", c.facts.Unknown)
	}
}

// TestNoRoot holds that the securebit by which being root gives nothing is seen, on
// the thread that has it.
func TestNoRoot(t *testing.T) {
	need.Root(t)
	seen := make(chan bool)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		failed <- sys.SetSecurebits(uint32(cred.NoRoot))
		seen <- Self().NoRoot
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if !<-seen || Self().NoRoot {
		t.Error("got it wrong which thread has noroot")
	}
}
