package unit

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/capwise/capwise/scenario"
)

// Unit is the files that make up a service.
type Unit struct {
	// Name is what systemd calls it: web.service, t@blue.service. "" stands for a
	// text without a name.
	Name    string
	File    File
	DropIns []File
	// Sockets is the .socket units that belong to it, with their drop-ins.
	Sockets []File
	// Variables is the files of EnvironmentFile= that were found.
	Variables []File
	// Masked says that the file is empty or leads to /dev/null.
	Masked bool
	// Notes is what the reader should know about how the files were found.
	Notes []string
	// System is the machine that it is for.
	System System
}

// reader is a unit on its way in.
type reader struct {
	settings
	system System
	name   specifiers
	// transient says that the settings come from systemd-run, which sends each
	// set of capabilities whole.
	transient bool
	// userManager says that the manager is that of an ordinary user, and caller
	// which one.
	userManager bool
	caller      uint32
	variables   []File
}

func newReader() *reader {
	return &reader{settings: settings{assignments: map[string][]assignment{}}}
}

// Parse reads a service: a start for each ExecStart= of it. An error names the
// file and the line.
func Parse(u Unit) ([]scenario.Start, error) {
	if u.Masked {
		return []scenario.Start{masked(&u)}, nil
	}
	r, err := readerOf(&u)
	if err != nil {
		return nil, err
	}
	commands, err := r.commands()
	if err != nil {
		return nil, err
	}
	if len(commands) == 0 {
		return nil, fmt.Errorf("%s: no ExecStart= in a section [Service]", u.File.Name)
	}
	sockets, err := socketNotes(u.Sockets)
	if err != nil {
		return nil, err
	}
	var starts []scenario.Start
	for i, c := range commands {
		start := scenario.Start{Name: name(&u), Syntax: scenario.Unit, Notes: slices.Clone(u.Notes)}
		if len(commands) > 1 {
			start.Name = fmt.Sprintf("%s (ExecStart= %d)", start.Name, i+1)
		}
		start.Where = scenario.Where{File: c.at.file, Line: c.at.line, Path: "Service.ExecStart"}
		r.fill(&start, c)
		start.Notes = append(start.Notes, sockets...)
		starts = append(starts, start)
	}
	return starts, nil
}

// name is what a unit is called in answers.
func name(u *Unit) string {
	if u.Name != "" {
		return u.Name
	}
	return filepath.Base(u.File.Name)
}

// readerOf reads the files of a unit.
func readerOf(u *Unit) (*reader, error) {
	r := newReader()
	r.system, r.variables = u.System, u.Variables
	r.name = specifiers{unit: u.Name, tree: newTree(u.System.Root)}
	for _, f := range append([]File{u.File}, u.DropIns...) {
		if err := r.read(f); err != nil {
			return nil, err
		}
	}
	r.expand()
	return r, nil
}

// masked is the start of a unit that systemd does not start.
func masked(u *Unit) scenario.Start {
	s := scenario.Start{Name: name(u), Syntax: scenario.Unit, Where: scenario.Where{File: u.File.Name}, Notes: slices.Clone(u.Notes)}
	s.Settings.Runtime = scenario.Runtime{Name: scenario.Systemd, Version: u.System.Version}
	s.Settings.PortStart = scenario.Unset
	s.Refused = &scenario.Refusal{
		Cause:  scenario.CauseMasked,
		Reason: fmt.Sprintf("%s is empty or leads to /dev/null: the unit is masked, so systemd does not start it", u.File.Name),
	}
	return s
}

// fill completes a start for a command.
func (u *reader) fill(start *scenario.Start, c command) {
	environment := u.environment()
	if !c.literal {
		c.args = environment.replace(c.args)
	}
	u.privileges(start, c)
	start.Request.Prefix, start.Request.Entrypoint, start.Request.Args = c.prefixes, c.args[:1:1], c.args[1:]
	start.Request.Path = environment.values["PATH"]
	if path := u.value("Service.ExecSearchPath"); path != "" {
		start.Request.Path = path
	}
	start.Request.UserOfHost = start.Syntax == scenario.Unit || start.Syntax == scenario.SystemdRun
	u.root(start)
	u.withoutInstance(start)
	u.sandbox(start, c)
	u.noteDirectives(start)
	start.Notes = append(start.Notes, u.notes...)
}

// root says where the program is looked up.
func (u *reader) root(start *scenario.Start) {
	if root := u.value("Service.RootDirectory"); root != "" && root != "/" {
		start.Request.Root = root
	}
	if image := u.value("Service.RootImage"); image != "" {
		unknownFile(start, scenario.FactFile, "the program's file in RootImage="+image)
	}
}

// socketNotes says which addresses systemd opens itself.
func socketNotes(sockets []File) ([]string, error) {
	var notes []string
	for _, f := range sockets {
		r := newReader()
		if err := r.read(f); err != nil {
			return nil, err
		}
		for _, key := range []string{"ListenStream", "ListenDatagram"} {
			for _, a := range r.list("Socket." + key) {
				notes = append(notes, socketNote(key, a.value, filepath.Base(f.Name)))
			}
		}
	}
	return notes, nil
}

func socketNote(key, address, socket string) string {
	return fmt.Sprintf("systemd itself opens %s=%s (%s), as root: the program needs no capability for it", key, address, socket)
}
