package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

// TestSaved holds what an engine saves to its limit, and what it says of itself to
// a few lines.
func TestSaved(t *testing.T) {
	defer func(l limit.Limit) { limit.Saved = l }(limit.Saved)
	limit.Saved.Most = 1000
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	engine := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	engine("head -c 1000 /dev/zero")
	if err := save([]string{"docker", "save", "x"}, io.Discard); err != nil {
		t.Error(err)
	}
	engine("cat /dev/zero")
	var above *limit.Error
	if err := save([]string{"docker", "save", "x"}, io.Discard); !errors.As(err, &above) || above.Limit != limit.Saved {
		t.Errorf("got %v", err)
	}
	engine("head -c 100000 /dev/zero | tr '\\0' x >&2; echo no such image >&2; exit 1")
	if err := save([]string{"docker", "save", "x"}, io.Discard); err == nil || !strings.HasSuffix(err.Error(), "no such image") || len(err.Error()) > 5000 {
		t.Errorf("got %v", err)
	}
	engine("echo no archive")
	if _, err := Saved("docker", "x"); err == nil {
		t.Error("no error")
	}
}
