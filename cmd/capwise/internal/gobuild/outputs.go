package gobuild

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	pathpkg "path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
)

// programs returns the programs that the build wrote.
func (b *build) programs() ([]string, error) {
	mode := b.all.value("buildmode")
	if b.all.value("n") == "true" || mode != "" && mode != "exe" && mode != "pie" && mode != "default" {
		return nil, nil // nothing, or a library
	}
	if b.verb == "install" && len(b.args.rest) > 0 && strings.Contains(b.args.rest[0], "@") {
		return b.installedVersions(), nil
	}
	mains, packages, err := b.list()
	switch {
	case err != nil || len(mains) == 0:
		return nil, err
	case b.verb == "install":
		return mains, nil
	}
	out := b.absolute(b.all.out)
	isDir := b.all.out == "" || strings.HasSuffix(b.all.out, "/")
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		isDir = true
	}
	switch {
	case !isDir:
		return []string{out}, nil
	case b.all.out == "" && packages > 1: // of several packages "go build" writes nothing
		return nil, nil
	}
	for i, name := range mains {
		mains[i] = filepath.Join(out, filepath.Base(name))
	}
	return mains, nil
}

// list returns where the commands among the packages get installed, and how many
// packages there are.
func (b *build) list() (mains []string, packages int, err error) {
	args := append([]string{"list", "-overlay=" + b.name, "-f", "{{.Name}}\t{{.ImportPath}}\t{{.Target}}"}, b.args.without("json", "n", "x", "v", "a", "work")...)
	text, err := b.output(b.command(), append(args, b.args.rest...)...)
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(text)) {
		packages++
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(fields) < 3 || fields[0] != "main" {
			continue
		}
		target := fields[2]
		switch {
		case fields[1] == "command-line-arguments": // named after the first file
			target = strings.TrimSuffix(b.args.rest[0], ".go")
		case target == "": // there is no folder to install it in
			target = commandOf(fields[1])
		}
		mains = append(mains, target)
	}
	return mains, packages, nil
}

// installedVersions returns where "go install PACKAGE@VERSION" puts commands;
// "go list" does not know such packages.
func (b *build) installedVersions() []string {
	bin := b.env.GOBIN
	if bin == "" {
		first, _, _ := strings.Cut(b.env.GOPATH, string(filepath.ListSeparator))
		bin = filepath.Join(first, "bin")
		if b.env.GOOS != b.env.GOHOSTOS || b.env.GOARCH != b.env.GOHOSTARCH {
			bin = filepath.Join(bin, b.env.GOOS+"_"+b.env.GOARCH)
		}
	}
	var out []string
	for _, arg := range b.args.rest {
		path, _, _ := strings.Cut(arg, "@")
		out = append(out, filepath.Join(bin, commandOf(path)))
	}
	return out
}

// commandOf returns the name of the command that a package is.
func commandOf(path string) string {
	name := pathpkg.Base(path)
	if majorVersion.MatchString(name) {
		name = pathpkg.Base(pathpkg.Dir(path))
	}
	return name
}

// majorVersion ends the path of a module from version 2 on; a command there is
// named after what comes before.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

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
	if has, err := filecap.Get(name); err == nil && has == caps { // up to date, and so not written again
		return nil
	}
	err := filecap.Set(name, caps)
	switch {
	case err == nil:
	case errors.Is(err, errors.ErrUnsupported):
		say("%s is capability-aware, and its file system knows no capabilities of files. To let it bind low ports, put it elsewhere, then: sudo setcap %s FILE", name, caps.State())
	case slices.ContainsFunc([]error{syscall.EPERM, syscall.EACCES, syscall.EROFS}, func(e error) bool { return errors.Is(err, e) }):
		say("%s is capability-aware. To let it bind low ports: sudo setcap %s %s", name, caps.State(), name)
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
