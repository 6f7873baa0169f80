package aware_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// calls is a C program that calls the named functions.
func calls(names ...string) string {
	var declared, called strings.Builder
	for _, n := range names {
		fmt.Fprintf(&declared, "int %s();\n", n)
		fmt.Fprintf(&called, "%s();", n)
	}
	return declared.String() + "int main() { " + called.String() + " return 0; }"
}

// TestC has for each way of calling what programs of Debian 12 import that do so.
func TestC(t *testing.T) {
	linked := []string{"-Wl,--no-as-needed", library(t, "libcap.so.2",
		"cap_init", "cap_get_proc", "cap_get_flag", "cap_set_flag", "cap_from_text", "cap_clear", "cap_set_proc")}
	linkedNG := []string{library(t, "libcap-ng.so.0", "capng_clear", "capng_update", "capng_change_id", "capng_lock", "capng_apply")}
	usage := func(text, program string) string {
		return "const char *usage = " + strconv.Quote(text) + ";\n" + program
	}
	keeps := calls("cap_init", "cap_set_flag", "cap_set_proc")
	for name, tc := range map[string]struct {
		text   string
		flags  []string
		answer aware.Answer
		says   string
	}{
		"plain":     {cDumb, nil, aware.Dumb, "neither libcap"},
		"static":    {cDumb, []string{"-static"}, aware.Unknown, "static"},
		"syscall":   {cSyscall, nil, aware.Unknown, "calls syscall, which may be anything"},
		"dlopen":    {calls("cap_init", "cap_set_proc", "dlsym"), linked, aware.Unknown, "calls dlsym"},
		"dnsmasq":   {calls("capget", "capset"), nil, aware.Unknown, "calls capset, to raise or to give up"},
		"linked":    {cDumb, linked, aware.Dumb, "is linked with libcap.so.2, and calls nothing"},
		"ptp":       {calls("cap_get_proc", "cap_clear", "cap_set_proc"), linked, aware.Dumb, "calls cap_set_proc to give capabilities up"},
		"clockdiff": {calls("cap_init", "cap_set_proc"), linked, aware.Dumb, "calls cap_set_proc to give capabilities up"},
		"irqbal":    {calls("capng_clear", "capng_lock", "capng_apply"), linkedNG, aware.Dumb, "calls capng_apply to give"},
		"openvpn":   {calls("capng_clear", "capng_update", "capng_change_id"), linkedNG, aware.Unknown, "calls capng_update and capng_change_id"},
		"named":     {calls("cap_get_proc", "cap_get_flag", "cap_set_flag", "cap_set_proc"), linked, aware.Unknown, "calls cap_set_flag and cap_set_proc"},
		"chronyd":   {calls("cap_from_text", "cap_set_proc"), linked, aware.Unknown, "calls cap_from_text and cap_set_proc"},
		"set only":  {calls("cap_get_proc", "cap_set_flag"), linked, aware.Dumb, "calls nothing in it that raises"},
		"ping":      {usage("\nUsage\n  ping [options] <destination>\n", keeps), linked, aware.Aware, "is ping"},
		"ping, old": {usage("\nUsage\n  ping [options] <destination>\n", cDumb), linked, aware.Dumb, "nothing in it"},
		"dumpcap":   {usage("\nUsage: dumpcap [options] ...\n", keeps), linked, aware.Dumb, "is dumpcap"},
		"dumpcap 4.4": {
			usage("\nUsage: dumpcap [options] ...\n", calls("cap_get_proc", "cap_get_flag", "cap_set_flag", "cap_set_proc")),
			linked, aware.Aware, "is dumpcap",
		},
		"nginx": {usage("nginx version: nginx/1.22.1", "const char *before = \"0\";"+calls("dlopen", "syscall")), nil, aware.Dumb, "is nginx"},
	} {
		if r := detect(t, buildC(t, tc.text, tc.flags...)); r.Answer != tc.answer || !strings.Contains(r.Evidence, tc.says) {
			t.Errorf("%s: %+v, want %s: %s", name, r, tc.answer, tc.says)
		}
	}
}

// library makes a shared library of that name with empty functions, so that the
// real one needs not be installed.
func library(t *testing.T, name string, functions ...string) string {
	t.Helper()
	var text strings.Builder
	for _, f := range functions {
		fmt.Fprintf(&text, "void %s(void) {}\n", f)
	}
	return buildC(t, text.String(), "-shared", "-fPIC", "-Wl,-soname="+name)
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
