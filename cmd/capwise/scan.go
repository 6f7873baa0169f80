package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/findings"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/image/locate"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
)

const scanLong = `Find the files that carry capabilities, and say what becomes of each:

    aware                 raises its capability; nothing to do
    aware-but-effective   raises its capability, but does not start where it is
                          dropped: make it +p
    dumb                  cannot raise it: with +ep it does not start
                          where it is dropped, with +p it is of no use
    foreign               counts in another user namespace only
    empty                 no capability in it; it only clears ambient ones
    lost                  an image for a low port, whose program carries none
    broken                a launcher whose program is gone, or not as it was
    malformed             the kernel does not execute it
    ignored               a script: the kernel ignores its capabilities
    unknown               the file does not tell whether it raises

A TARGET is a directory, a file, an image, or - for an archive on standard
input. An image is one of

%s

or a bare name, such as caddy:2, which is looked for with the engines here, then
in its registry. All images of a target are looked at, for all platforms, unless
it names one; archives may be compressed. A file that is named itself is
reported without capabilities too, if it is aware. Nothing is executed or
changed.`

const scanExamples = `  capwise scan /usr
  capwise scan bin/coredns
  capwise scan --one-file-system --fail-on dumb,aware-but-effective /
  capwise scan --format sarif docker-archive:caddy.tar > caddy.sarif
  docker save web | gzip | capwise scan -`

// scanner is the flags of the command, and what it finds.
type scanner struct {
	format        string
	failOn        []string
	oneFileSystem bool
	offline       bool
	cache         cacheFlag

	images rootfs.Options
	report findings.Report
}

func newScan() *cobra.Command {
	s := scanner{report: findings.New()}
	cmd := &cobra.Command{
		Use: "scan [flags] TARGET...", Short: "Find files that carry capabilities, and what is wrong with them",
		Long: fmt.Sprintf(scanLong, indented(ref.Help())), Example: scanExamples, Args: someTargets, RunE: s.run,
	}
	f := cmd.Flags()
	f.StringVar(&s.format, "format", "table", "table, json or sarif")
	f.StringSliceVar(&s.failOn, "fail-on", nil, "exit with 2 if a file has one of these verdicts, such as dumb,unknown")
	f.BoolVar(&s.oneFileSystem, "one-file-system", false, "leave out what is mounted below a directory")
	f.BoolVar(&s.offline, "offline", false, "ask no registry for an image that is named without a kind (also if CAPWISE_OFFLINE is set)")
	s.cache.register(f)
	return cmd
}

func someTargets(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("scan: want a TARGET: a directory, a file or an image")
	}
	return nil
}

func (s *scanner) run(cmd *cobra.Command, targets []string) error {
	classes, err := s.options()
	if err != nil {
		return err
	}
	s.images = rootfs.Options{Cache: s.cache.open(), Stdin: cmd.InOrStdin(), Progress: &layer.Progress{}}
	incomplete := false
	for _, target := range targets {
		if err := s.target(target); err != nil {
			s.failed(err)
			incomplete = true
		}
	}
	_ = s.images.Cache.Close() // it saves time, and no more
	s.report.Sort()
	for _, line := range s.report.Errors {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "capwise: "+printable.Line(line)); err != nil {
			return err
		}
	}
	switch {
	case s.format == "json":
		err = writeJSON(cmd.OutOrStdout(), &s.report)
	case s.format == "sarif":
		err = s.report.WriteSARIF(cmd.OutOrStdout())
	case !incomplete || len(s.report.Findings) > 0: // else there is nothing to say but the errors
		err = s.report.WriteTable(cmd.OutOrStdout())
	}
	switch {
	case err != nil:
		return err
	case incomplete:
		return errFailed
	case s.report.Has(classes):
		return errFails
	default:
		return nil
	}
}

func (s *scanner) options() ([]scan.Class, error) {
	if !slices.Contains([]string{"table", "json", "sarif"}, s.format) {
		return nil, fmt.Errorf("--format %q: want table, json or sarif", s.format)
	}
	var classes []scan.Class
	for _, name := range s.failOn {
		if !slices.Contains(scan.Classes(), scan.Class(name)) {
			return nil, fmt.Errorf("--fail-on %q: want one of %s", name, listed(scan.Classes()))
		}
		classes = append(classes, scan.Class(name))
	}
	return classes, nil
}

// listed is the classes, as a message has them.
func listed(classes []scan.Class) string {
	var b strings.Builder
	for i, v := range classes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

func (s *scanner) target(target string) error {
	if target == ref.StandardInput || ref.Is(target) {
		return s.image(target)
	}
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) && ref.MayBeName(target) {
		return s.named(target)
	}
	path, dir, err := onDisk(target)
	switch {
	case err != nil:
		return err
	case dir:
		return s.tree(path)
	case store.IsArchive(path):
		return s.image(string(ref.Archive) + ":" + path)
	default: // the walk of the file's folder would do, but for the other files in it
		return s.file(path)
	}
}

// onDisk tells directories from files. A target that is a symbolic link to a
// directory, such as /bin, is what it leads to: a walk follows none.
func onDisk(target string) (path string, dir bool, err error) {
	if _, err := os.Lstat(target); err != nil {
		return "", false, err
	}
	path = filepath.Clean(target) // without a slash at the end, which would hide a link
	info, err := os.Lstat(path)
	if err != nil {
		return "", false, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		real, err := filepath.EvalSymlinks(target)
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", target, err)
		}
		if info, err = os.Lstat(real); err != nil {
			return "", false, fmt.Errorf("%s: %w", target, err)
		}
		if info.IsDir() {
			path = real
		}
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s: neither a file nor a directory", target)
	}
	return path, info.IsDir(), nil
}

func (s *scanner) add(f scan.Finding) {
	s.report.Findings = append(s.report.Findings, f)
}

// failed notes an error, or each of several.
func (s *scanner) failed(err error) {
	if many, several := err.(interface{ Unwrap() []error }); several && strings.Contains(err.Error(), "\n") { // of errors.Join
		for _, one := range many.Unwrap() {
			s.failed(one)
		}
		return
	}
	s.report.Errors = append(s.report.Errors, err.Error())
}

func (s *scanner) tree(dir string) error {
	t := scan.Tree{
		OneFileSystem: s.oneFileSystem,
		Found:         s.classify,
		Failed:        func(path string, err error) { s.failed(fmt.Errorf("%s: %w", path, err)) },
	}
	stop := showFiles(&t.Files, scan.About(dir))
	defer stop()
	return t.Walk(dir)
}

func (s *scanner) classify(file *held.File) {
	f, err := scan.ClassifyFile(file)
	if err != nil {
		s.failed(err)
		return
	}
	f.Target = file.Path
	s.add(f)
}

func (s *scanner) file(path string) (err error) {
	file, err := held.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	attribute, err := file.Attribute()
	if err == nil && attribute == nil {
		f, err := scan.ClassifyProgram(file)
		if err == nil && f.Class == scan.Aware {
			f.Target = path
			s.add(f)
		}
		return err
	}
	s.classify(file) // which says what is wrong with the attribute
	return nil
}

// image scans the images of a reference.
func (s *scanner) image(reference string) error {
	source, err := rootfs.Open(reference, s.images)
	if err != nil {
		return err
	}
	return s.source(source)
}

// named scans an image that is named without a kind.
func (s *scanner) named(name string) error {
	finder := locate.Finder{Options: s.images, Offline: s.offline || os.Getenv(offlineVariable) != ""}
	source, _, err := finder.Find(name, "")
	if err != nil {
		return fmt.Errorf("%s: neither a file nor an image: %w", name, err)
	}
	return s.source(source)
}

// source scans images, and names those that cannot be looked at.
func (s *scanner) source(source *rootfs.Source) error {
	stop := showLayers(s.images.Progress)
	err := source.Each(func(img *rootfs.Image) error {
		found, err := img.Findings()
		s.report.Findings = append(s.report.Findings, found...)
		return err
	})
	stop()
	for _, skipped := range source.Skipped() {
		err = errors.Join(err, fmt.Errorf("image %q: %s", source, skipped))
	}
	return errors.Join(err, source.Close())
}
