package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// numberMark is what the number of the change in force is behind in a launcher.
// A launcher has to know it without its environment, which is a test's.
const numberMark = "capwise mutant "

// launchers is the folder of those that tests start.
type launchers struct {
	dir     string
	program []byte // this machine's, with all changes; nil where there are none
}

// buildLaunchers builds those of all architectures, changed by the overlay or as
// they are.
func buildLaunchers(dir, overlay string, changed bool) (*launchers, error) {
	l := &launchers{dir: filepath.Join(dir, "launchers")}
	c := exec.Command("scripts/launchers.sh", l.dir)
	if changed {
		c.Args = append(c.Args, "-overlay="+overlay)
	}
	if text, err := c.CombinedOutput(); err != nil || !changed {
		return l, wrap(err, text)
	}
	packed, err := os.ReadFile(filepath.Join(l.dir, runtime.GOARCH+".gz"))
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	if l.program, err = io.ReadAll(r); err != nil {
		return nil, err
	}
	if n := bytes.Count(l.program, []byte(numberMark)); n != 1 {
		return nil, fmt.Errorf("the launcher has %d places for the number of a change, want 1", n)
	}
	return l, nil
}

func wrap(err error, output []byte) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%s", err, output)
}

// with returns the folder of the launchers with a change, and what removes it.
func (l *launchers) with(mutant int) (string, func() error, error) {
	if l.program == nil {
		return l.dir, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp(l.dir, "")
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	program := bytes.Clone(l.program)
	at := bytes.Index(program, []byte(numberMark))
	copy(program[at+len(numberMark):], fmt.Sprintf("%05d", mutant))
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(program)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, runtime.GOARCH+".gz"), packed.Bytes(), 0o600)
	}
	return dir, remove, err
}
