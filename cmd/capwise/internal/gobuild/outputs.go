package gobuild

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
)

// programs returns the programs that the build wrote.
func (b *build) programs() ([]string, error) {
	if mode := b.args.value("buildmode"); mode != "" && mode != "exe" && mode != "pie" && mode != "default" {
		return nil, nil // a library
	}
	args := append([]string{"list", "-f", `{{if eq .Name "main"}}{{.Target}}{{end}}`}, b.args.flags...)
	text, err := b.output(b.command(), append(args, b.args.rest...)...)
	if err != nil {
		return nil, err
	}
	targets := strings.Fields(string(text))
	if b.verb == "install" {
		return targets, nil
	}
	out := b.absolute(b.args.out)
	isDir := b.args.out == "" || strings.HasSuffix(b.args.out, "/")
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		isDir = true
	}
	if !isDir {
		return []string{out}, nil
	}
	if b.args.out == "" && len(targets) > 1 {
		return nil, nil // "go build" of several packages writes nothing
	}
	for i, t := range targets {
		targets[i] = filepath.Join(out, filepath.Base(t))
	}
	return targets, nil
}

// finish looks at what was built, and permits it the capability.
func (b *build) finish() error {
	programs, err := b.programs()
	if err != nil {
		return err
	}
	for _, name := range programs {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() { // -o /dev/null
			continue
		}
		if err == nil {
			err = b.program(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *build) program(name string) error {
	if err := injected(name); err != nil {
		return err
	}
	if b.settings.NoSetcap {
		return nil
	}
	caps := filecap.Caps{Revision: filecap.V2, Permitted: capset.Of(capset.NetBindService)}
	err := filecap.Set(name, caps)
	switch {
	case err == nil:
	case slices.ContainsFunc([]error{syscall.EPERM, syscall.EACCES, syscall.EROFS, errors.ErrUnsupported}, func(e error) bool { return errors.Is(err, e) }):
		fmt.Fprintf(os.Stderr, "capwise: %s is capability-aware. To let it bind low ports: sudo setcap %s %s\n", name, caps.State(), name)
	default:
		return err
	}
	return nil
}

// injected looks for the marker in a program: a go command that took another
// GOROOT than it said would have built it plain.
func injected(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	found, err := aware.Detect(file)
	if err == nil && !found.Injected {
		err = fmt.Errorf("%s: built, but nothing is injected: %s", name, found.Evidence)
	}
	return err
}
