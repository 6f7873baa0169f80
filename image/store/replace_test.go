package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestReplaceAtTheLastMoment holds that a file stays that another program puts in its
// place between the check and the replacement.
func TestReplaceAtTheLastMoment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.json")
	put := func(content string) {
		t.Helper()
		other := filepath.Join(dir, "other")
		if err := errors.Join(os.WriteFile(other, []byte(content), 0o644), os.Rename(other, path)); err != nil {
			t.Fatal(err)
		}
	}
	write := func(w *os.File) error {
		_, err := io.WriteString(w, "ours")
		return err
	}
	put("before")
	checks := 0
	refused := errors.New("it is another by now")
	check := func(name string) error {
		checks++
		if checks == 1 {
			put("theirs")
			return nil
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != "theirs" {
			t.Errorf("the check after the replacement reads %q, %v; want what was replaced", got, err)
		}
		return refused
	}
	if err := replaceFile(path, path, write, check); !errors.Is(err, refused) {
		t.Errorf("got %v, want the error of the check", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "theirs" {
		t.Errorf("there is %q, %v; want theirs", got, err)
	}
	if err := replaceFile(path, path, write, func(string) error { return nil }); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "ours" {
		t.Errorf("there is %q, %v; want ours", got, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v; want the file alone", left, err)
	}
}
