package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const spec = `{"name": "demo", "tag": "example/demo:${VERSION}", "program": "/usr/bin/demo", "module": "example.com/demo"}`

// TestRunRefuses gives wrong arguments: each must be told in one line that
// names it, and nothing may be written.
func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	specFile := filepath.Join(dir, "spec.json")
	if err := os.WriteFile(specFile, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	root := "-root=amd64=" + t.TempDir()
	for name, tt := range map[string]struct {
		args  []string
		epoch string
		want  string
	}{
		"no description":      {[]string{root}, "", "-spec is missing"},
		"no root":             {[]string{"-spec", specFile}, "", "-root is missing"},
		"root without arch":   {[]string{"-spec", specFile, "-root=x"}, "", "want ARCH=DIR"},
		"empty root":          {[]string{"-spec", specFile, root}, "", "usr/bin/demo: file does not exist"},
		"unknown flag":        {[]string{"-speck", specFile}, "", "flag provided but not defined: -speck"},
		"an argument":         {[]string{"-spec", specFile, root, "more"}, "", `unexpected argument "more"`},
		"missing description": {[]string{"-spec", specFile + "x", root}, "", specFile + "x: no such file"},
		"bad description":     {[]string{"-spec", os.Args[0], root}, "", os.Args[0] + ": invalid character"},
		"bad tag":             {[]string{"-spec", specFile, root, "-tag", "A B"}, "", "repository can only contain"},
		"bad capabilities":    {[]string{"-spec", specFile, root, "-file-caps", "cap_nonsense=p"}, "", "cap_nonsense"},
		"no capability text":  {[]string{"-spec", specFile, root, "-file-caps", ""}, "", "-file-caps"},
		"bad time":            {[]string{"-spec", specFile, root}, "today", "SOURCE_DATE_EPOCH=today: want seconds since 1970"},
		"time before 1970":    {[]string{"-spec", specFile, root}, "-1", "SOURCE_DATE_EPOCH=-1: want seconds since 1970"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := run(append([]string{"-out", out}, tt.args...), tt.epoch, &stdout, &stderr)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want %q in one line", err, tt.want)
			}
			if stdout.Len()+stderr.Len() > 0 {
				t.Errorf("printed %q and %q", &stdout, &stderr)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was written to %s", out)
			}
		})
	}
}

func TestRunHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := run([]string{"-help"}, "", &stdout, &stderr); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got error %v", err)
	}
	if !strings.Contains(stderr.String(), "-file-caps text") || stdout.Len() > 0 {
		t.Errorf("printed %q and %q", &stdout, &stderr)
	}
}
