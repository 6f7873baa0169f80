package aware_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/need"
)

// programs is what the tests build: a file for each way to be aware or not.
const (
	goAware = `package main
import ("fmt"; "github.com/capwise/capwise")
func main() { ln, err := capwise.Listen("tcp", ":80"); fmt.Println(ln, err) }`
	goDumb = `package main
import ("fmt"; "net")
func main() { ln, err := net.Listen("tcp", ":80"); fmt.Println(ln, err) }`
	cDumb    = `#include <stdio.h>` + "\n" + `int main() { puts("hello"); return 0; }`
	cCapset  = `int capset(void *, void *); int main() { return capset(0, 0); }`
	cSyscall = `#include <unistd.h>` + "\n" + `int main() { return syscall(1); }`
)

func buildGo(t *testing.T, text string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod := "module example.com/server\n\ngo 1.25.0\n\nrequire github.com/capwise/capwise v0.0.0\n\nreplace github.com/capwise/capwise => " + root + "\n"
	for name, text := range map[string]string{"go.mod": mod, "main.go": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "server")
	cmd := exec.Command("go", append([]string{"build", "-o", out}, flags...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func buildC(t *testing.T, text string, flags ...string) string {
	t.Helper()
	gcc := need.Tool(t, "gcc")
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(gcc, append([]string{"-w", "-o", out, src}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func detect(t *testing.T, path string) aware.Result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := aware.Detect(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGo(t *testing.T) {
	for name, flags := range map[string][]string{
		"plain": nil, "stripped": {"-ldflags=-s -w"}, "trimpath": {"-trimpath", "-ldflags=-s -w"}, "pie": {"-buildmode=pie", "-ldflags=-s -w"},
	} {
		if r := detect(t, buildGo(t, goAware, flags...)); r.Answer != aware.Aware || !strings.Contains(r.Evidence, "capwise") {
			t.Errorf("aware, %s: %+v", name, r)
		}
		if r := detect(t, buildGo(t, goDumb, flags...)); r.Answer != aware.Dumb || !strings.Contains(r.Evidence, "example.com/server") {
			t.Errorf("dumb, %s: %+v", name, r)
		}
	}
}

func TestC(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		flags  []string
		answer aware.Answer
		says   string
	}{
		"plain":   {cDumb, nil, aware.Dumb, "neither libcap"},
		"capset":  {cCapset, nil, aware.Aware, "calls capset"},
		"syscall": {cSyscall, nil, aware.Unknown, "calls syscall"},
		"static":  {cDumb, []string{"-static"}, aware.Unknown, "static"},
	} {
		if r := detect(t, buildC(t, tc.text, tc.flags...)); r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
			t.Errorf("%s: %+v, want %s: %s", name, r, tc.answer, tc.says)
		}
	}
}

func TestOthers(t *testing.T) {
	for text, says := range map[string]string{
		"":                                 "too short",
		"#!/bin/sh\n":                      "a script",
		"MZ\x90\x00 not for Linux":         "not an ELF",
		"\x7fELF but not much more of it.": "damaged ELF",
	} {
		if r, err := aware.Detect(bytes.NewReader([]byte(text))); err != nil || r.Answer != aware.Unknown || !strings.Contains(r.Evidence, says) {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := aware.Detect(bytes.NewReader(data)); err == nil && (r.Answer == "" || r.Evidence == "") {
			t.Errorf("no answer: %+v", r)
		}
	})
}
