package unit

import (
	"fmt"
	"path"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/scenario"
)

// systemdRun is the flags of systemd-run, newer ones too. A test holds them
// beside the help of the command.
var systemdRun = flags.New(
	`H:host M:machine u:unit p:property description slice service-type uid gid nice working-directory E:setenv
	path-property socket-property timer-property on-active on-boot on-startup on-unit-active on-unit-inactive
	on-calendar background expand-environment job-mode json C:capsule`,
	`h:help version no-ask-password user system scope slice-inherit no-block r:remain-after-exit wait send-sighup
	d:same-dir t:pty T:pty-late P:pipe q:quiet G:collect S:shell on-timezone-change on-clock-change
	ignore-failure v:verbose no-pager`)

func init() { systemdRun.Abbreviates = true }

// Caller is who types a command line of systemd-run. The zero value is root.
type Caller struct {
	UID uint32
	// WorkDir is where relative paths begin; "" if not known.
	WorkDir string
	// Version is systemd's, "" if not known.
	Version string
	// SocketFilters is that of [System].
	SocketFilters Answer
}

// Run reads a command line of systemd-run, its name included.
func (c Caller) Run(args []string) (scenario.Start, error) {
	if len(args) > 0 && path.Base(args[0]) == "sudo" {
		args, c.UID = args[1:], 0
	}
	if len(args) == 0 || path.Base(args[0]) != "systemd-run" {
		return scenario.Start{}, fmt.Errorf("%q is not systemd-run", strings.Join(args[:min(len(args), 1)], ""))
	}
	line, err := systemdRun.Parse(args[1:])
	if err != nil {
		return scenario.Start{}, fmt.Errorf("systemd-run: %w", err)
	}
	r := newReader()
	r.system, r.transient, r.caller = System{Version: c.Version, SocketFilters: c.SocketFilters}, true, c.UID
	if err := r.properties(line.Options); err != nil {
		return scenario.Start{}, fmt.Errorf("systemd-run: %w", err)
	}
	start := scenario.Start{Name: line.Options.Last("unit"), Syntax: scenario.SystemdRun, Notes: line.Notes}
	command := command{args: line.Rest}
	switch {
	case line.Options.Has("shell") && len(line.Rest) == 0:
		command.args = []string{"/bin/sh"}
		start.Note("--shell starts the caller's shell; assuming /bin/sh")
	case len(line.Rest) == 0:
		return scenario.Start{}, fmt.Errorf("systemd-run: no program")
	}
	if start.Name == "" {
		start.Name = path.Base(command.args[0])
	}
	if command.args, err = c.absolute(command.args); err != nil {
		return scenario.Start{}, fmt.Errorf("systemd-run: %w", err)
	}
	if r.userManager, err = line.Options.Enabled("user"); err != nil {
		return scenario.Start{}, fmt.Errorf("systemd-run: %w", err)
	}
	r.fill(&start, command)
	if line.Options.Has("scope") {
		r.scope(&start)
	}
	for _, property := range line.Options["socket-property"] {
		key, value, _ := strings.Cut(property, "=")
		start.Note(socketNote(key, value, "--socket-property"))
	}
	return start, nil
}

// absolute makes a relative path of the program absolute, as systemd-run does before
// it asks systemd.
func (c Caller) absolute(args []string) ([]string, error) {
	if !strings.Contains(args[0], "/") || path.IsAbs(args[0]) {
		return args, nil
	}
	if c.WorkDir == "" {
		return nil, fmt.Errorf("%s: the working directory is not known", args[0])
	}
	return append([]string{path.Join(c.WorkDir, args[0])}, args[1:]...), nil
}

// properties turns flags into the settings that they stand for.
func (u *reader) properties(options flags.Options) error {
	add := func(key, value, flag string) {
		name := "Service." + key
		u.assignments[name] = append(u.assignments[name], assignment{value: value, file: flag, line: 0})
	}
	for _, property := range options["property"] {
		key, value, ok := strings.Cut(property, "=")
		if !ok {
			return fmt.Errorf("--property=%s: want NAME=VALUE", property)
		}
		add(key, value, "--property="+property)
	}
	for _, key := range []string{"CapabilityBoundingSet", "AmbientCapabilities"} {
		if len(u.assignments["Service."+key]) > 1 {
			u.note("systemd-run is given %s= more than once: the last counts", key)
		}
	}
	for flag, key := range map[string]string{"uid": "User", "gid": "Group"} {
		if options.Has(flag) {
			add(key, options.Last(flag), "--"+flag)
		}
	}
	for _, env := range options["setenv"] {
		add("Environment", `"`+strings.ReplaceAll(strings.ReplaceAll(env, `\`, `\\`), `"`, `\"`)+`"`, "--setenv")
	}
	return nil
}

// scope corrects what is different with --scope: systemd-run executes the program
// itself, with the caller's privileges, and systemd only counts it.
func (u *reader) scope(start *scenario.Start) {
	s := &start.Settings
	*s = scenario.Settings{
		Runtime: scenario.Runtime{Name: scenario.Shell}, UID: s.UID, GID: s.GID,
		Granted: capset.All, Network: scenario.NetworkHost, PortStart: scenario.Unset,
	}
	if u.value("Service.User") == "" {
		s.UID, s.GID = u.caller, u.caller
	}
	start.Notes = []string{"--scope executes the program with the caller's privileges; its bounding set is taken to be full"}
}

// ProgramAt returns where in a command line of systemd-run, its name included, the
// program stands.
func ProgramAt(args []string) (n int, ok bool) {
	if len(args) == 0 {
		return 0, false
	}
	p, err := systemdRun.Parse(args[1:])
	return len(args) - len(p.Rest), err == nil && len(p.Rest) > 0
}
