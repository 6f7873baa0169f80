package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestKills holds that a change counts as noticed where the tests fail, or are too
// slow twice: once may be the machine's fault.
func TestKills(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   bool
	}{
		"pass":        {"exit 0", false},
		"fail":        {"exit 1", true},
		"slow":        {"exec sleep 60", true},
		"slow once":   {"[ -e again ] && exit 0; : >again; exec sleep 60", false},
		"fails later": {"[ -e again ] && exit 1; : >again; exec sleep 60", true},
		"the change":  {`[ "$CAPWISE_MUTANT" != 7 ]`, true},
		"launchers":   {`[ "$CAPWISE_TEST_LAUNCHERS" = /launchers ]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := suite{binary: filepath.Join(dir, "tests"), dir: dir, limit: 2 * time.Second, launchers: &launchers{dir: "/launchers"}}
			if err := os.WriteFile(s.binary, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if got := s.kills(7); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// TestLauncher holds that a launcher has the number of its change in it.
func TestLauncher(t *testing.T) {
	l := &launchers{dir: t.TempDir(), program: []byte("before" + numberMark + "00000" + "after")}
	dir, remove, err := l.with(123)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(dir, runtime.GOARCH+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "before"+numberMark+"00123after" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(l.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if bytes.Contains(l.program, []byte("123")) || !strings.Contains(helperSource, numberMark+"00000") {
		t.Error("the number is in the program that is copied, or the helper has no place for it")
	}
}
