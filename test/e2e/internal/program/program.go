// Package program prepares what the runtimes execute: copies of a binary with
// given file capabilities, on disk and as images.
package program

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Program is one executable, ready for every runtime.
type Program struct {
	Name    string // unique: file and image are called so
	Path    string // on disk, with its file capabilities
	Archive string // docker-archive with the same file as InImage
	Ref     string // the name that the image has once loaded
	InImage string // what to execute in the image
	// IsEntrypoint: the image puts InImage before all arguments by itself.
	IsEntrypoint bool
	// Target is a second file without capabilities, which lies beside the first,
	// on disk and in the image, under the same name with the ending TargetSuffix.
	Target string
}

// TargetSuffix ends the name of a program that has moved beside its launcher.
const TargetSuffix = ".capwise"

// InImage is where New puts programs.
const InImage = "/usr/bin/program"

// Behind is New for a launcher, with the program that it starts beside it, which
// carries file capabilities, too.
func Behind(dir, name, launcher, capabilities, target, carries string) (*Program, error) {
	p, err := onDisk(dir, name, launcher, capabilities)
	if err != nil {
		return nil, err
	}
	p.Target = p.Path + TargetSuffix
	if err := copyFile(p.Target, target); err != nil {
		return nil, err
	}
	if err := setcap(p.Target, carries); err != nil {
		return nil, err
	}
	return p, writeArchive(p)
}

// New copies binary into dir, gives the copy file capabilities in the notation
// of setcap(8) ("" for none; "-n 200000 cap_kill=p" to bind them to the user
// namespace whose root has that id), and writes an image that contains that copy.
func New(dir, name, binary, capabilities string) (*Program, error) {
	p, err := onDisk(dir, name, binary, capabilities)
	if err != nil {
		return nil, err
	}
	return p, writeArchive(p)
}

func onDisk(dir, name, binary, capabilities string) (*Program, error) {
	p := &Program{
		Name:    name,
		Path:    filepath.Join(dir, name),
		Archive: filepath.Join(dir, name+".tar"),
		Ref:     refOf(name),
		InImage: InImage,
	}
	if err := copyFile(p.Path, binary); err != nil {
		return nil, err
	}
	return p, setcap(p.Path, capabilities)
}

func setcap(path, capabilities string) error {
	if capabilities == "" {
		return nil
	}
	if out, err := exec.Command("setcap", append(strings.Fields(capabilities), path)...).CombinedOutput(); err != nil {
		return fmt.Errorf("setcap %s %s: %w: %s", capabilities, path, err, out)
	}
	return nil
}

func refOf(name string) string { return "localhost/capwise-e2e/" + name + ":latest" }

// copyFile copies a program. No child is forked meanwhile: it would hold the new
// file open for writing for a moment, and the kernel executes no such file
// (golang/go#22315).
func copyFile(to, from string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the copy has failed already
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return out.Close()
}
