package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/launchers"
	"github.com/capwise/capwise/fix"
	imagefix "github.com/capwise/capwise/image/fix"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
)

const fixLong = `Put file capabilities right, in files and inside images.

    auto        a program that raises its capabilities gets them as permitted
                only, another gets a launcher; if fix cannot tell, it refuses
    permitted   take the effective bit away: cap_net_bind_service=ep becomes =p
    launcher    put a launcher in the program's place, which gives it the
                capability where it is granted, and starts it in any case
    strip       remove the capabilities

A TARGET is a file, a directory (with all files in it that carry capabilities),
or an image:

%s

fix changes all images of a target, for all platforms, unless it names one.
Without -o it changes the target in place: at any time that is the old or the
new one. A second run changes nothing. OUT is of the same kind as TARGET;
registry: and oci: also go to each other.

In an image fix changes what has to differ, and nothing else: other blobs, and
all other bytes of a changed layer's uncompressed archive, stay as they are. It
leaves files alone that later layers replace or remove, and names what the new
digests make stale, such as signatures. It needs neither Docker nor root.

Nobody gains a capability. Unless a flag says otherwise, fix refuses

    files that others could swap (--trust-tree)
    programs that want a launcher, and belong to another user than root or may
    be written to by others (--chown root, or --owner-may-have-it)
    with auto, programs that look for libraries by $ORIGIN: a launcher cannot
    protect them as +ep does (--no-secure-execution)

Exit codes: 0 done, or nothing to do; 1 could not do it, or would have to guess.
Then nothing is changed, unless the message begins with "written".`

const fixExamples = `  capwise fix docker-archive:caddy.tar --dry-run
  capwise fix docker-archive:caddy.tar -o docker-archive:caddy-p.tar
  capwise fix oci:layout:latest --mode permitted --file /usr/bin/caddy
  capwise fix registry:example.com/web:1 -o registry:example.com/web:1-p
  capwise fix /usr/local/bin/server
  capwise fix --mode launcher /usr/bin/fping`

// fixCommand is the flags of the command.
type fixCommand struct {
	file   fix.Options // also what images have in common with files
	image  imagefix.Options
	chown  string
	mayHas bool
	format string
	cache  cacheFlag
}

func newFix() *cobra.Command {
	var c fixCommand
	cmd := &cobra.Command{
		Use:     "fix TARGET [-o OUT]",
		Short:   "Put the capabilities of files and images right",
		Long:    fmt.Sprintf(fixLong, indented(ref.Help(imagefix.Kinds()...))),
		Example: fixExamples,
		Args:    oneTarget,
		RunE:    c.run,
	}
	f := cmd.Flags()
	f.StringVarP(&c.image.Out, "output", "o", "", "where the result goes (default: in place)")
	f.StringVar((*string)(&c.file.Mode), "mode", string(fix.Auto), "auto, permitted, launcher or strip")
	f.StringArrayVar(&c.image.Files, "file", nil, "change only this file of the image (repeatable)")
	f.BoolVar(&c.file.DryRun, "dry-run", false, "say what would change, and write nothing")
	f.BoolVar(&c.file.TrustTree, "trust-tree", false, "change files also where others than root could swap them meanwhile")
	f.StringVar(&c.chown, "chown", "", "root: make programs that get a launcher root's, so that nobody else can rewrite them")
	f.BoolVar(&c.mayHas, "owner-may-have-it", false, "put launchers before programs that belong to others, too")
	f.BoolVar(&c.file.NoSecureExecution, "no-secure-execution", false, "let auto put launchers also before programs that don't work in secure-execution mode; they run without")
	f.StringVar(&c.format, "format", "text", "text or json")
	c.cache.register(f)
	return cmd
}

func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("fix: want one TARGET, not %d: a file, a directory or an image", len(args))
	}
	return nil
}

func (c *fixCommand) run(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("output") && c.image.Out == "" { // an unset variable of a script must not mean "in place"
		return errors.New(`-o "": want where the result goes`)
	}
	if c.format != "text" && c.format != "json" {
		return fmt.Errorf("--format %q: want text or json", c.format)
	}
	if err := c.settle(); err != nil {
		return err
	}
	if !ref.Is(args[0]) {
		return c.fixFiles(cmd, args[0])
	}
	return c.fixImage(cmd, args[0])
}

// settle checks the flags that files and images have in common.
func (c *fixCommand) settle() error {
	switch c.file.Mode {
	case fix.Auto, fix.Launcher, fix.Permitted, fix.Strip:
	default:
		return fmt.Errorf("--mode %q: want auto, permitted, launcher or strip", c.file.Mode)
	}
	switch {
	case c.chown != "" && c.chown != "root":
		return fmt.Errorf("--chown %q: want root", c.chown)
	case c.chown != "" && c.mayHas:
		return errors.New("--chown and --owner-may-have-it exclude each other")
	case c.chown != "":
		c.file.Owners = fix.ChownRoot
	case c.mayHas:
		c.file.Owners = fix.MayHaveIt
	}
	c.file.Launcher = launchers.Program
	return nil
}

// fixImage fixes an image.
func (c *fixCommand) fixImage(cmd *cobra.Command, target string) error {
	o := c.image
	o.Mode, o.DryRun, o.Owners, o.NoSecureExecution = c.file.Mode, c.file.DryRun, c.file.Owners, c.file.NoSecureExecution
	o.Launcher, o.Choose = launchers.Program, chooseMode
	o.Cache, o.Progress = c.cache.open(), &layer.Progress{}
	stop := showLayers(o.Progress)
	r, err := imagefix.Run(target, o)
	stop()
	_ = o.Cache.Close() // it saves time, and no more
	if err != nil {
		return err
	}
	if err := unreported(c.reportImage(cmd, r), !r.DryRun && len(r.Files) > 0, r.Out); err != nil {
		return err
	}
	var skipped []error
	for _, line := range r.Skipped {
		skipped = append(skipped, errors.New(line))
	}
	return errors.Join(skipped...)
}

// unreported says of what was done that it was, where the report of it is lost.
func unreported(err error, done bool, what string) error {
	if err == nil || !done {
		return err
	}
	return fmt.Errorf("written: %s, but the report of it could not be: %w", what, err)
}

// reportImage writes what was done to an image.
func (c *fixCommand) reportImage(cmd *cobra.Command, r *imagefix.Report) error {
	if c.format == "json" {
		return writeJSON(cmd.OutOrStdout(), struct {
			SchemaVersion int `json:"schemaVersion"`
			*imagefix.Report
		}{fixSchemaVersion, r})
	}
	for _, w := range r.Warnings {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "capwise: warning:", printable.Line(w)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(cmd.OutOrStdout(), fixText(r))
	return err
}

// chooseMode says what a file of an image needs.
func chooseMode(path string, attribute []byte, program scan.Program) (fix.Mode, error) {
	mode, err := fix.Choose(path, attribute, program)
	if errors.Is(err, fix.ErrUndecided) || errors.Is(err, fix.ErrScript) {
		err = fmt.Errorf("%w, or --file to leave it out", err)
	}
	return mode, err
}

// fixText is the report for people.
func fixText(r *imagefix.Report) string {
	var b strings.Builder
	for _, f := range r.Files {
		fmt.Fprintf(&b, "%s: %s -> %s\n", printable.Name(f.Path), f.Old, orNone(f.New))
		if f.Target != "" {
			fmt.Fprintf(&b, "  the program moves to %s; launcher for %s\n", printable.Name(f.Target), f.Arch)
		}
		for _, note := range f.Notes {
			fmt.Fprintf(&b, "  %s\n", printable.Line(note))
		}
		fmt.Fprintf(&b, "  %s changed at offset %d of layer %s\n", count(f.Bytes, "byte"), f.Offset, f.Layer)
	}
	for _, c := range r.Blobs {
		fmt.Fprintf(&b, "%-8s  %s, %d bytes%s\n", c.Kind, c.Old, c.OldSize, howText(c))
		fmt.Fprintf(&b, "%8s  %s, %d bytes\n", "->", c.New, c.NewSize)
	}
	switch {
	case len(r.Files) == 0 && r.Out == r.Target:
		fmt.Fprintf(&b, "nothing to do: %s already has the wanted capabilities\n", printable.Name(r.Target))
	case len(r.Files) == 0 && r.DryRun:
		fmt.Fprintf(&b, "nothing to do: %s would be a copy of %s\n", printable.Name(r.Out), printable.Name(r.Target))
	case len(r.Files) == 0:
		fmt.Fprintf(&b, "nothing to do: %s is a copy of %s\n", printable.Name(r.Out), printable.Name(r.Target))
	case r.DryRun:
		fmt.Fprintf(&b, "dry run: would write %s\n", printable.Name(r.Out))
	default:
		fmt.Fprintf(&b, "written: %s\n", printable.Name(r.Out))
	}
	return b.String()
}

// howText says how a layer came about.
func howText(c imagefix.BlobChange) string {
	switch {
	case c.How == "":
		return ""
	case c.Encoded > 0:
		return fmt.Sprintf("; %s: %d bytes of its content are encoded again", c.How, c.Encoded)
	default:
		return "; " + c.How
	}
}

func count(n int64, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
