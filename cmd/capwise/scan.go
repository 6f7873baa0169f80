package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/findings"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
	"github.com/capwise/capwise/scenario"
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
    unknown               the file does not tell whether it raises

A TARGET is a directory, a file, or an image: docker-archive:FILE,
oci:DIR[:TAG], oci-archive:FILE[:TAG], docker:NAME, podman:NAME, registry:NAME,
or tar:FILE for the archive of a root file system. Of an image all platforms are
looked at. A file that is named itself is reported without capabilities too, if
it is aware. Nothing is executed or changed.`

const scanExamples = `  capwise scan /usr
  capwise scan bin/coredns
  capwise scan --one-file-system --fail-on dumb,aware-but-effective /
  capwise scan --format sarif docker-archive:caddy.tar > caddy.sarif`

// scanner is the flags of the command, and what it finds.
type scanner struct {
	format        string
	failOn        []string
	oneFileSystem bool

	report findings.Report
}

func newScan() *cobra.Command {
	s := scanner{report: findings.Report{Findings: []scan.Finding{}, Errors: []string{}}}
	cmd := &cobra.Command{
		Use: "scan [flags] TARGET...", Short: "Find files that carry capabilities, and what is wrong with them",
		Long: scanLong, Example: scanExamples, Args: someTargets, RunE: s.run,
	}
	f := cmd.Flags()
	f.StringVar(&s.format, "format", "table", "table, json or sarif")
	f.StringSliceVar(&s.failOn, "fail-on", nil, "exit with 2 if a file has one of these verdicts, such as dumb,unknown")
	f.BoolVar(&s.oneFileSystem, "one-file-system", false, "leave out what is mounted below a directory")
	return cmd
}

func someTargets(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("scan: want a TARGET: a directory, a file or an image")
	}
	return nil
}

func (s *scanner) run(cmd *cobra.Command, targets []string) error {
	verdicts, err := s.options()
	if err != nil {
		return err
	}
	incomplete := false
	for _, target := range targets {
		if err := s.target(target); err != nil {
			s.failed(err)
			incomplete = true
		}
	}
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
	case s.report.Has(verdicts):
		return errFails
	default:
		return nil
	}
}

func (s *scanner) options() ([]scan.Verdict, error) {
	if !slices.Contains([]string{"table", "json", "sarif"}, s.format) {
		return nil, fmt.Errorf("--format %q: want table, json or sarif", s.format)
	}
	var verdicts []scan.Verdict
	for _, name := range s.failOn {
		if !slices.Contains(scan.Verdicts(), scan.Verdict(name)) {
			return nil, fmt.Errorf("--fail-on %q: want one of %s", name, listed(scan.Verdicts()))
		}
		verdicts = append(verdicts, scan.Verdict(name))
	}
	return verdicts, nil
}

// listed is the verdicts, as a message has them.
func listed(verdicts []scan.Verdict) string {
	var b strings.Builder
	for i, v := range verdicts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// imageKinds begins the references of images.
var imageKinds = []string{"docker-archive:", "oci:", "oci-archive:", "tar:", "docker:", "podman:", "registry:"}

// isImage reports whether a target is the reference of an image, not a path.
func isImage(target string) bool {
	return slices.ContainsFunc(imageKinds, func(kind string) bool { return strings.HasPrefix(target, kind) })
}

func (s *scanner) target(target string) error {
	if isImage(target) {
		return s.images(target)
	}
	path, dir, err := onDisk(target)
	switch {
	case err != nil:
		return err
	case dir:
		return s.tree(path)
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

func (s *scanner) failed(err error) {
	s.report.Errors = append(s.report.Errors, err.Error())
}

func (s *scanner) tree(dir string) error {
	t := scan.Tree{
		OneFileSystem: s.oneFileSystem,
		Found:         s.judge,
		Failed:        func(path string, err error) { s.failed(fmt.Errorf("%s: %w", path, err)) },
	}
	stop := showProgress(&t.Files, scan.About(dir))
	defer stop()
	return t.Walk(dir)
}

func (s *scanner) judge(file *held.File) {
	f, err := scan.JudgeFile(file)
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
		f, err := scan.JudgeProgram(file)
		if err == nil && f.Verdict == scan.Aware {
			f.Target = path
			s.add(f)
		}
		return err
	}
	s.judge(file) // which says what is wrong with the attribute
	return nil
}

func (s *scanner) images(reference string) error { return rootfs.Each(reference, s.image) }

func (s *scanner) image(img *rootfs.Image) error {
	start := scenario.Start{}
	scenario.Resolve(&start, img, img.Config, scenario.Given{})
	about, said := scan.JudgeStart(&start)
	capable := img.Capable()
	for path, attribute := range capable {
		f, err := scan.JudgeBeside(pathpkg.Base(path), attribute, img.Content(path), besideIn(img, capable, path))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", img.Name(), path, err)
		}
		f.Target, f.Path = img.Name(), path
		if said && about.Path == path {
			f.Warning = about.Warning
		}
		s.add(f)
	}
	if said && about.Verdict == scan.Lost {
		about.Target = img.Name()
		s.add(about)
	}
	return nil
}

// besideIn looks for other files in the folder of a file of the image.
func besideIn(img *rootfs.Image, capable map[string][]byte, file string) scan.Beside {
	return func(name string) ([]byte, io.ReaderAt, error) {
		at := pathpkg.Join(pathpkg.Dir(file), name)
		info, err := img.Stat(at)
		if err != nil {
			return nil, nil, err
		}
		if !info.Mode.IsRegular() {
			return nil, nil, held.ErrNotRegular
		}
		content := img.Content(at)
		if content == nil { // without capabilities it is not kept, and neither launcher nor program of one
			content = strings.NewReader("")
		}
		return capable[at], content, nil
	}
}
