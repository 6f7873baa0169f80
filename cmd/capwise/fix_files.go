package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/launchers"
	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/fix"
	"github.com/capwise/capwise/scan"
)

// fixedFile is what was done to a file, or would be.
type fixedFile struct {
	Path   string `json:"path"`
	Action string `json:"action"` // permitted, strip, launcher or none
	Old    string `json:"old"`
	New    string `json:"new"`
}

// fixFiles fixes a file, or the files with capabilities below a directory.
func (c *fixCommand) fixFiles(cmd *cobra.Command, target string) error {
	if c.options.Out != "" || len(c.options.Files) > 0 {
		return errors.New("-o and --file are for images: files are changed in place")
	}
	paths, errs, err := capableFiles(target)
	if err != nil {
		return err
	}
	done := []fixedFile{}
	for _, path := range paths {
		f, err := c.fixFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, f)
	}
	if len(done) > 0 || len(errs) == 0 || c.format == "json" { // else there is nothing to say but the errors
		changed := slices.ContainsFunc(done, func(f fixedFile) bool { return f.Action != "none" })
		if err := unreported(c.writeFixed(cmd, done), changed && !c.options.DryRun, target); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// capableFiles lists the files with capabilities, and what could not be read.
func capableFiles(target string) (paths []string, errs []error, err error) {
	path, dir, err := onDisk(target)
	if err != nil {
		return nil, nil, err
	}
	if !dir {
		return []string{path}, nil, nil
	}
	t := scan.Tree{
		OneFileSystem: true,
		Found:         func(path string, _ []byte) { paths = append(paths, path) },
		Failed:        func(path string, err error) { errs = append(errs, fmt.Errorf("%s: %w", path, err)) },
	}
	return paths, errs, t.Walk(path)
}

func (c *fixCommand) fixFile(path string) (fixedFile, error) {
	mode := c.options.Mode
	if mode == fix.Auto {
		var err error
		if mode, err = chooseFileMode(path); err != nil {
			return fixedFile{}, err
		}
	}
	var change filefix.Change
	var err error
	switch mode {
	case fix.Keep:
	case fix.Launcher:
		change, err = c.putLauncher(path)
	default:
		change, err = filefix.File(path, filefix.Mode(mode), c.options.DryRun)
	}
	if !change.Needed() {
		mode = "none"
	}
	return fixedFile{path, string(mode), change.Old, change.New}, err
}

// chooseFileMode says what a file of this machine needs.
func chooseFileMode(path string) (fix.Mode, error) {
	attribute, err := scan.Attribute(path)
	if err != nil || attribute == nil {
		return fix.Keep, err
	}
	f, err := scan.JudgeFile(path, attribute)
	if err != nil {
		return "", err
	}
	return modeFor(f)
}

// chooseMode says what a file of an image needs.
func chooseMode(path string, attribute []byte, content io.ReaderAt) (fix.Mode, error) {
	f, err := scan.Judge(attribute, content)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	mode, err := modeFor(f)
	if err != nil {
		err = fmt.Errorf("%w, or --file to leave it out", err)
	}
	return mode, err
}

// modeFor says what a file needs, by what it is.
func modeFor(f scan.Finding) (fix.Mode, error) {
	switch f.Verdict {
	case scan.Aware:
		return fix.Keep, nil
	case scan.Effective:
		return fix.Permitted, nil
	case scan.Dumb:
		return fix.Launcher, nil
	default:
		return "", fmt.Errorf("%s is %s: %s; choose --mode permitted if it raises its capabilities by itself, launcher if not, or strip", f.Path, f.Verdict, f.Evidence)
	}
}

// putLauncher puts the launcher for the program's architecture before it.
func (c *fixCommand) putLauncher(path string) (_ filefix.Change, err error) {
	f, err := os.Open(path)
	if err != nil {
		return filefix.Change{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	arch, err := filefix.Arch(f)
	if err != nil {
		return filefix.Change{}, fmt.Errorf("%s: %w", path, err)
	}
	program, err := launchers.Program(arch)
	if err != nil {
		return filefix.Change{}, err
	}
	return filefix.Launcher(path, program, c.options.DryRun)
}

func (c *fixCommand) writeFixed(cmd *cobra.Command, done []fixedFile) error {
	if c.format == "json" {
		return writeJSON(cmd.OutOrStdout(), struct {
			DryRun bool        `json:"dry_run"`
			Files  []fixedFile `json:"files"`
		}{c.options.DryRun, done})
	}
	var b bytes.Buffer
	needed := 0
	for _, f := range done {
		if f.Action == "none" {
			continue
		}
		needed++
		now := f.New
		if now == "" {
			now = "none"
		}
		fmt.Fprintf(&b, "%s: %s -> %s\n", f.Path, f.Old, now)
	}
	switch {
	case needed == 0:
		b.WriteString("nothing to do\n")
	case c.options.DryRun:
		b.WriteString("dry run: nothing is changed\n")
	}
	_, err := cmd.OutOrStdout().Write(b.Bytes())
	return err
}
