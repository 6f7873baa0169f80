package filecap_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

// TestRemoveUnprivileged holds that there is nothing to refuse where there is
// nothing to remove, and that what cannot be removed is an error.
func TestRemoveUnprivileged(t *testing.T) {
	need.Root(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		return kerneltest.OnDroppedThread(func() error { return filecap.Remove(path) })
	}
	if err := remove(); err != nil {
		t.Errorf("without capabilities: %v", err)
	}
	caps, err := filecap.FromText("cap_net_raw=p")
	if err == nil {
		err = filecap.Set(path, caps)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, syscall.EPERM) {
		t.Errorf("with capabilities: got %v, want EPERM", err)
	}
	if got, err := filecap.Get(path); err != nil || got != caps {
		t.Errorf("got %v, %v, want them to be there", got, err)
	}
}

// TestHighCapabilities holds the upper half of each set.
func TestHighCapabilities(t *testing.T) {
	want := filecap.Caps{Revision: filecap.V2, Permitted: 1<<40 | 1<<10, Inheritable: 1<<39 | 1<<3}
	raw, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := filecap.Parse(raw); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestForeignIsV3(t *testing.T) {
	if (filecap.Caps{Revision: filecap.V2, RootID: 5}).Foreign() {
		t.Error("only revision 3 has a root id")
	}
}
