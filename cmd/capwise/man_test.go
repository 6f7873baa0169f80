package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manDir holds the manual pages.
const manDir = "../../docs/man"

// TestManualPages holds the manual pages to what the commands say of themselves.
func TestManualPages(t *testing.T) {
	root := newRoot()
	root.DisableAutoGenTag = true
	pages := map[string][]byte{}
	commands := append([]*cobra.Command{root}, root.Commands()...)
	for _, cmd := range commands {
		var page bytes.Buffer
		date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
		header := doc.GenManHeader{Section: "1", Date: &date, Source: "capwise", Manual: "capwise"}
		if err := doc.GenMan(cmd, &header, &page); err != nil {
			t.Fatal(err)
		}
		name := cmd.Name() + ".1"
		if cmd != root {
			name = "capwise-" + name
		}
		pages[name] = page.Bytes()
	}
	for name, want := range pages {
		path := filepath.Join(manDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the command says of itself (%v); run this test with -update", path, err)
		}
	}
	there, err := filepath.Glob(manDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if pages[filepath.Base(path)] == nil {
			t.Errorf("%s is about no command", path)
		}
	}
}
