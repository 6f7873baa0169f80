package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
)

// fixSchemaVersion is that of the JSON, which docs/schema/fix.schema.json describes. It
// changes with a change that breaks a reader.
const fixSchemaVersion = 1

// fixedFile is what was done to a file, or would be.
type fixedFile struct {
	Path   string `json:"path"`
	Action string `json:"action"` // permitted, strip, launcher or none
	Old    string `json:"old"`
	New    string `json:"new"`
	// Of a launcher: where the program is, who owns both, and what follows from that.
	Target string   `json:"target,omitempty"`
	Owner  *uint32  `json:"owner,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// fixFiles fixes a file, or the files with capabilities below a directory.
func (c *fixCommand) fixFiles(cmd *cobra.Command, target string) error {
	if c.image.Out != "" || len(c.image.Files) > 0 {
		return errors.New("-o and --file are for images: files are changed in place")
	}
	done, errs, err := c.fixTarget(target)
	if err != nil {
		return err
	}
	if len(done) > 0 || len(errs) == 0 || c.format == "json" { // else there is nothing to say but the errors
		changed := slices.ContainsFunc(done, func(f fixedFile) bool { return f.Action != "none" })
		if err := unreported(c.writeFixed(cmd, done), changed && !c.file.DryRun, target); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// fixTarget fixes what is at a path, and returns what was done and what could not
// be done.
func (c *fixCommand) fixTarget(target string) (done []fixedFile, errs []error, err error) {
	path, dir, err := onDisk(target)
	if err != nil {
		return nil, nil, err
	}
	if !dir && store.IsArchive(path) {
		return nil, nil, fmt.Errorf("%s: an archive, and no program: want docker-archive:%s or oci-archive:%s", target, target, target)
	}
	done = []fixedFile{}
	one := func(f *held.File) {
		fixed, err := c.fixFile(f)
		if err != nil {
			errs = append(errs, err)
			return
		}
		done = append(done, fixed)
	}
	if dir {
		t := scan.Tree{
			OneFileSystem: true, Found: one,
			Failed: func(path string, err error) { errs = append(errs, fmt.Errorf("%s: %w", path, err)) },
		}
		return done, errs, t.Walk(path)
	}
	f, err := held.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 { // what is changed is behind it
		f.Path = f.RealPath()
		one(f)
		for i := range done {
			done[i].Notes = append([]string{path + " is a symbolic link to it"}, done[i].Notes...)
		}
		return done, errs, f.Close()
	}
	one(f)
	return done, errs, f.Close()
}

func (c *fixCommand) fixFile(f *held.File) (fixedFile, error) {
	change, err := fix.File(f, c.file)
	out := fixedFile{Path: f.Path, Action: string(change.Action), Old: change.Old, New: change.New}
	if !change.Needed() {
		out.Action = "none"
	}
	if p := change.Placed; p != nil {
		out.Target, out.Owner, out.Notes = p.Target, &p.Owner, p.Notes
	}
	return out, err
}

func (c *fixCommand) writeFixed(cmd *cobra.Command, done []fixedFile) error {
	if c.format == "json" {
		return writeJSON(cmd.OutOrStdout(), struct {
			SchemaVersion int         `json:"schemaVersion"`
			DryRun        bool        `json:"dry_run"`
			Files         []fixedFile `json:"files"`
		}{fixSchemaVersion, c.file.DryRun, done})
	}
	var b bytes.Buffer
	needed := 0
	for _, f := range done {
		if f.Action == "none" {
			continue
		}
		needed++
		fmt.Fprintf(&b, "%s: %s -> %s\n", printable.Name(f.Path), f.Old, orNone(f.New))
		if f.Target != "" {
			fmt.Fprintf(&b, "  the program moves to %s\n", printable.Name(f.Target))
		}
		for _, note := range f.Notes {
			fmt.Fprintf(&b, "  %s\n", printable.Line(note))
		}
	}
	switch {
	case needed == 0:
		b.WriteString("nothing to do\n")
	case c.file.DryRun:
		b.WriteString("dry run: nothing is changed\n")
	}
	_, err := cmd.OutOrStdout().Write(b.Bytes())
	return err
}

// orNone is capabilities in a report.
func orNone(caps string) string {
	if caps == "" {
		return "none"
	}
	return caps
}
