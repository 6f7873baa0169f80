// Package overlay makes build overlays of Go's standard library, with which every
// program that is built binds low ports as those do that use package capwise: the
// capability, permitted only, is raised on one thread for the instant of a bind
// that was refused without it.
//
// An overlay is made from the GOROOT that does the build: its files are read,
// found to be as expected, and get calls of this module's own code, which is that
// of the library, moved into packages syscall and runtime. A bind(2) from any
// package is covered, be it through package net, syscall.Bind, unix.Bind of
// golang.org/x/sys, or by its number; not one that C code makes. Where no bind is
// refused, nothing is done but to compare an error number after a system call.
//
// See "go help build" about -overlay.
package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// StartVariable is the environment variable by which whoever starts a program
// says what becomes of CAP_NET_BIND_SERVICE where it arrives effective or ambient:
// StartDemote or StartKeep. Another value, or none, leaves it to the build; so does
// any value under AT_SECURE, where the program gets what its starter has not.
const StartVariable = "CAPWISE_START"

// Start says what a program does with the capability when it starts.
type Start string

// What it does.
const (
	// StartDemote keeps it as permitted only, and from its children.
	StartDemote Start = "demote"
	// StartKeep leaves everything as it is.
	StartKeep Start = "keep"
)

// Toolchain is what builds, and for what.
type Toolchain struct {
	// GOROOT is its folder, by the name that it is asked for by.
	GOROOT string
	// GOARCH is the architecture that it builds for; GOOS is linux.
	GOARCH string
}

// Options are what an overlay does.
type Options struct {
	// Start is what a program does when it starts; "" is StartDemote.
	Start Start
	// Replace is another overlay's content, which the new one has too.
	Replace map[string]string
}

// Write writes an overlay into the folder, below a name that follows from its
// content, and returns the name of the JSON file for -overlay. What is there
// already stays. The error is a [*LayoutError] if the standard library is not as
// expected; nothing is written then.
func (t *Toolchain) Write(folder string, o Options) (string, error) {
	if o.Start == "" {
		o.Start = StartDemote
	}
	files, err := t.files(o)
	if err != nil {
		return "", err
	}
	replace := maps.Clone(o.Replace)
	if replace == nil {
		replace = map[string]string{}
	}
	content := folder + "/_" + sum(files) // whose packages no pattern like ./... matches
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := t.path(name)
		if by, ok := replace[path]; ok {
			return "", fmt.Errorf("the overlay replaces %s by %s, where capwise would have to inject", path, by)
		}
		replace[path] = filepath.Join(content, filepath.FromSlash(name))
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	for name, text := range files {
		if err := write(filepath.Join(content, filepath.FromSlash(name)), text); err != nil {
			return "", err
		}
	}
	hash := sha256.Sum256(text)
	name := filepath.Join(folder, hex.EncodeToString(hash[:16])+".json")
	return name, write(name, text)
}

// sum names a set of files by its content.
func sum(files map[string][]byte) string {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = fmt.Appendf(all, "%s %d\n%s", name, len(files[name]), files[name])
	}
	hash := sha256.Sum256(all)
	return hex.EncodeToString(hash[:16])
}

// write writes a file, so that others see all of it or none.
func write(name string, text []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// files returns what is new or changed below GOROOT/src.
func (t *Toolchain) files(o Options) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, h := range hooks {
		if err := t.hook(out, h); err != nil {
			return nil, err
		}
	}
	if err := t.inSyscall(out); err != nil {
		return nil, err
	}
	if err := t.inRuntime(out, o); err != nil {
		return nil, err
	}
	return out, t.inNet(out)
}

func (t *Toolchain) hook(out map[string][]byte, h hook) error {
	if h.arches != nil && !slices.Contains(h.arches, t.GOARCH) {
		return nil
	}
	name := strings.ReplaceAll(h.file, "ARCH", t.GOARCH)
	text, err := os.ReadFile(t.path(name))
	if err != nil {
		return missing(t.path(name), err)
	}
	f, err := parse(t.path(name), text)
	if err != nil {
		return err
	}
	if err := h.apply(f, t.GOARCH); err != nil {
		return err
	}
	out[name] = f.edits.apply(text)
	return nil
}

// path is where a file of the standard library is.
func (t *Toolchain) path(name string) string {
	return filepath.Join(t.GOROOT, "src", filepath.FromSlash(name))
}

func missing(name string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &LayoutError{name, "a file of that name"}
	}
	return err
}
