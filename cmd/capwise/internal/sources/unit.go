package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
	"github.com/capwise/capwise/scenario/hostfs"
	"github.com/capwise/capwise/scenario/unit"
)

// system is the machine whose units are read: systemd's version is what the user
// says, or this machine's.
func (o Options) system() (unit.System, error) {
	r, err := o.runtime(scenario.Systemd, false)
	s := unit.System{Root: o.Root, Version: r.Version}
	if err != nil || r.Version != "" || o.Root != "" {
		return s, err
	}
	out, err := exec.Command("systemctl", "--version").Output()
	if err != nil {
		return s, nil //nolint:nilerr // a machine without systemd: the package assumes a version
	}
	_, rest, _ := strings.Cut(string(out), "(")
	s.Version, _, _ = strings.Cut(rest, ")")
	switch features := strings.Fields(rest); {
	case slices.Contains(features, "+BPF_FRAMEWORK"):
		s.SocketFilters = unit.Yes
	case slices.Contains(features, "-BPF_FRAMEWORK"):
		s.SocketFilters = unit.No
	}
	return s, nil
}

// systemdRun reads a command line of systemd-run.
func (o Options) systemdRun(args []string, uid uint32) (scenario.Start, error) {
	system, err := o.system()
	if err != nil {
		return scenario.Start{}, err
	}
	dir, _ := os.Getwd() // where it is gone, a relative path is an error
	caller := unit.Caller{UID: uid, WorkDir: dir, Version: system.Version, SocketFilters: system.SocketFilters}
	return caller.Run(args)
}

// unit reads a service, with its drop-ins unless it came on standard input.
func (o Options) unit(data []byte, name string) ([]Found, error) {
	system, err := o.system()
	if err != nil {
		return nil, err
	}
	var starts []scenario.Start
	if name == "-" {
		starts, err = unit.Parse(unit.Unit{File: unit.File{Name: stdinName, Text: string(data)}, System: system})
	} else {
		if !strings.Contains(name, "/") {
			name = "./" + name // a file, not the name of a unit
		}
		starts, err = system.Load(name)
	}
	return o.units(starts, err)
}

// namesUnit reports whether a name is to be looked up as that of a unit: what is no
// file here, an instance, whose file is that of its template, and a masked unit, which
// leads to /dev/null or is empty. data and err are what came of reading the file.
func (o Options) namesUnit(name string, data []byte, err error) bool {
	switch {
	case name == "-":
		return false
	case o.Root != "":
		return true
	case strings.HasSuffix(name, ".service"):
		info, errStat := os.Stat(name)
		masked := errStat == nil && (info.Mode()&os.ModeDevice != 0 || err == nil && len(data) == 0)
		return masked || errors.Is(err, fs.ErrNotExist)
	default:
		like := path.Ext(name) == "" || strings.Contains(name, "@") // and web.yaml is none
		return like && !strings.Contains(name, "/") && errors.Is(err, fs.ErrNotExist)
	}
}

// namedUnit reads a unit by its name, or by the path of a file that it may not have.
func (o Options) namedUnit(name string) ([]Found, error) {
	system, err := o.system()
	if err != nil {
		return nil, err
	}
	starts, err := system.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file, and no such unit on %s", name, o.machine())
	}
	return o.units(starts, err)
}

// machine names the machine whose units are read.
func (o Options) machine() string {
	if o.Root != "" {
		return "the machine in " + o.Root
	}
	return "this machine"
}

// units looks up the programs of a unit's starts. One that starts a container is
// judged as that.
func (o Options) units(starts []scenario.Start, err error) ([]Found, error) {
	if err != nil {
		return nil, err
	}
	var out []Found
	for i := range starts {
		s, err := o.container(&starts[i])
		if err != nil {
			return nil, err
		}
		out = append(out, Found{Start: s})
	}
	return o.resolveAll(out)
}

// container returns the container that a unit's command starts, or the unit's own
// start where it starts none.
func (o Options) container(s *scenario.Start) (*scenario.Start, error) {
	if s.Refused != nil || len(s.Request.Entrypoint) == 0 {
		return s, nil
	}
	l := line{args: slices.Concat(s.Request.Entrypoint, s.Request.Args)}
	if inner, is := o.wrapped(l); is {
		l = inner
	}
	name := scenario.RuntimeName(path.Base(l.args[0]))
	if name != scenario.Docker && name != scenario.Podman {
		return s, nil
	}
	args := append([]string{string(name)}, l.args[1:]...)
	if !runs(args) {
		s.Note(fmt.Sprintf("%s: this is about the client; the container is another question", strings.Join(args[:min(len(args), 2)], " ")))
		return s, nil
	}
	caller := engine.Caller{}
	if r, err := o.runtime(name, false); err == nil { // and else the version is that of systemd
		caller.Version = r.Version
	}
	if user, _, _ := strings.Cut(s.Request.User, ":"); name == scenario.Podman && user != "" && user != "root" && user != "0" {
		caller.Rootless, caller.UID, caller.GID = true, s.Settings.UID, s.Settings.GID
	}
	c, err := caller.Parse(args)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", s.Where.File, s.Where.Line, err)
	}
	c.Name, c.Where = s.Name, s.Where
	c.Where.Path = ""
	c.Notes = append(s.Notes, append(c.Notes, fmt.Sprintf("the unit starts a container with %s, and this is about that container", name))...)
	return &c, nil
}

// runs reports whether a command line of an engine makes a container.
func runs(args []string) bool {
	verb, _, err := engine.Subcommand(args)
	return err != nil || verb == "run" || verb == "create" // an error is for the reader of those to tell
}

// host is the files of the machine that a start is looked up in.
func (o Options) host(s *scenario.Start) scenario.Files {
	files := hostfs.New("/")
	if o.Root != "" {
		files = hostfs.New(o.Root)
	}
	if s.Request.Root != "" {
		files = files.Below(s.Request.Root)
	}
	return files
}
