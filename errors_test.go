package capwise_test

import (
	"errors"
	"testing"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/diagnose"
)

// TestBindErrorIsOneLine holds that no name of a file or process makes a line of
// its own, or commands a terminal.
func TestBindErrorIsOneLine(t *testing.T) {
	e := &capwise.BindError{Verdict: diagnose.Verdict{Reason: "/x\nOK \x1b[2J carries none", Remedy: "setcap"}, Err: errors.New("bind")}
	const want = `bind: /x\nOK \x1b[2J carries none; remedy: setcap`
	if e.Error() != want {
		t.Errorf("got %q, want %q", e.Error(), want)
	}
}
