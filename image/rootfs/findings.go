package rootfs

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/image/shell"
	"github.com/capwise/capwise/scan"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// Findings classifies the files of the image that carry capabilities, and says what its
// program has lost.
func (i *Image) Findings() ([]scan.Finding, error) {
	start := scenario.Start{}
	lookup.Resolve(&start, i, i.Config, lookup.Given{Scripts: shell.Scripts{}})
	about, said := scan.ClassifyStart(&start)
	capable := i.Capable()
	byPath := map[string]*Capable{}
	for n := range capable {
		byPath[capable[n].Path] = &capable[n]
	}
	var out []scan.Finding
	for n := range capable {
		c := &capable[n]
		f, err := scan.ClassifyBeside(path.Base(c.Path), c.Attribute, i.program(c), i.beside(c, byPath))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", i.name, c.Path, err)
		}
		f.Path, f.Layer = c.Path, c.Digest
		if said && about.Path == c.Path {
			f.Warning = about.Warning
		}
		out = append(out, f)
	}
	if said && about.Class == scan.Lost {
		out = append(out, about)
	}
	for n := range out {
		out[n].Target, out[n].Image, out[n].Platform = i.Target, i.Label(), i.Platform
	}
	return out, nil
}

// program is what the file, and the libraries that it is linked with, say about it, if
// that was looked into.
func (i *Image) program(c *Capable) scan.Program {
	return func() (aware.Result, error) {
		if c.Program == nil {
			return notRead, nil
		}
		return c.Program.WithLibraries(c.Path, i.files.Library), nil
	}
}

var notRead = aware.Result{Answer: aware.Unknown, Evidence: "its content was not looked into: a sparse file, or a hard link that has the attribute and not the content"}

// Program says whether the program at a path raises its capabilities, after symbolic
// links, if its file carries some; otherwise it is unknown, since a program without is not looked into.
// The error wraps [fs.ErrNotExist] if there is no such file.
func (i *Image) Program(name string) (aware.Result, error) {
	info, err := i.files.Stat(name)
	if err != nil {
		return aware.Result{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	for _, c := range i.Capable() {
		if c.Path == info.Path {
			return i.program(&c)()
		}
	}
	return aware.Result{Answer: aware.Unknown, Evidence: "its file carries no capability, so it was not looked into"}, nil
}

// beside looks for other files in the folder of one.
func (i *Image) beside(of *Capable, capable map[string]*Capable) scan.Beside {
	return func(name string) ([]byte, scan.Program, error) {
		at := path.Join(path.Dir(of.Path), name)
		info, ok := i.files.Lstat(at)
		if !ok {
			return nil, nil, fs.ErrNotExist
		}
		if !info.Mode.IsRegular() {
			return nil, nil, held.ErrNotRegular
		}
		if c := capable[at]; c != nil {
			return c.Attribute, i.program(c), nil
		}
		// Without capabilities it is neither launcher nor program of one.
		return nil, func() (aware.Result, error) { return aware.Result{Answer: aware.Unknown}, nil }, nil
	}
}
