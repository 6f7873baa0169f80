package fix_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/scan"
)

// unreadable is a content that cannot be read.
type unreadable struct{ error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.error }

// TestChoose holds that what cannot be read, and what does not tell, is an error that
// names the path.
func TestChoose(t *testing.T) {
	caps := filecap.Caps{Permitted: capset.Of(capset.NetBindService), Effective: true, Revision: filecap.V2}
	attribute, err := caps.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is broken")
	for name, c := range map[string]struct {
		content io.ReaderAt
		wants   error
	}{
		"unreadable": {unreadable{broken}, broken},
		"no program": {strings.NewReader("just a text"), fix.ErrUndecided},
		"a script":   {strings.NewReader("#!/bin/sh\nexec x\n"), fix.ErrScript},
	} {
		if mode, err := fix.Choose("/bin/x", attribute, scan.Contents(c.content)); !errors.Is(err, c.wants) || !strings.HasPrefix(err.Error(), "/bin/x") || mode != "" {
			t.Errorf("%s: %q, %v", name, mode, err)
		}
	}
}

// TestNeeded holds that a launcher is something to do also where the capabilities of
// the name stay as they are.
func TestNeeded(t *testing.T) {
	for c, want := range map[fix.Change]bool{
		{}: false, {Old: "=", New: "="}: false, {Old: "=ep", New: "=p"}: true, {Old: "=p", New: "=p", Placed: &fix.Placed{}}: true,
	} {
		if c.Needed() != want {
			t.Errorf("%+v: %t, want %t", c, c.Needed(), want)
		}
	}
}
