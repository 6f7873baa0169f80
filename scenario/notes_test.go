package scenario_test

import (
	"slices"
	"testing"

	"github.com/capwise/capwise/scenario"
)

func TestNoteOnce(t *testing.T) {
	var s scenario.Start
	for _, line := range []string{"a", "b", "a"} {
		s.Note(line)
	}
	if want := []string{"a", "b"}; !slices.Equal(s.Notes, want) {
		t.Errorf("got the notes %q, want %q", s.Notes, want)
	}
}
