// Package sources finds out which source of facts the user gave, reads it by the
// package that knows it, and looks its programs up.
package sources

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/policy"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
	"github.com/capwise/capwise/scenario/lookup"
	"github.com/capwise/capwise/scenario/process"
	"github.com/capwise/capwise/scenario/unit"
)

// Options is what the user says besides the source.
type Options struct {
	// Image is the reference of the image that is executed, "" to leave it to
	// the source.
	Image string
	// Version is the runtime's, such as "24.0.6" or "cri-o:1.30".
	Version string
	Given   lookup.Given
	// Policy is the platform's, or nil.
	Policy *policy.Policy
	// Profiles is those of compose files whose services count, too.
	Profiles []string
	// Env is the variables of the caller that compose files may have, NAME=VALUE.
	Env []string
	// Look says that an image may be looked for where the source names one: with the
	// engines here, and, unless Offline says otherwise, in its registry.
	Look, Offline bool
	// Images say how images are read.
	Images rootfs.Options
}

// Command reads a command line: docker, podman, systemd-run, or any program of
// this machine.
func (o Options) Command(args []string) ([]Found, error) {
	name := path.Base(args[0])
	if name == "sudo" && len(args) > 1 {
		name = path.Base(args[1])
	}
	var s scenario.Start
	var err error
	switch name {
	case "docker", "podman":
		caller := engine.Caller{}
		if uid := os.Geteuid(); uid != 0 && name == "podman" {
			caller = engine.Caller{Rootless: true, UID: uint32(uid), GID: uint32(os.Getegid())}
		}
		if s, err = caller.Parse(args); err == nil {
			err = o.setVersion(&s)
		}
	case "systemd-run":
		var version string
		if version, err = o.systemdVersion(); err == nil {
			s, err = unit.Run(args, version, uint32(os.Geteuid()))
		}
		if err == nil {
			err = fromHere(&s)
		}
	default:
		s, err = process.Host(args)
	}
	if err != nil {
		return nil, err
	}
	return o.resolveAll([]Found{{Start: &s}})
}

// fromHere makes a relative path of the program absolute, as systemd-run does
// before it asks systemd.
func fromHere(s *scenario.Start) error {
	for i, name := range s.Request.Entrypoint {
		if !strings.Contains(name, "/") {
			continue
		}
		var err error
		if s.Request.Entrypoint[i], err = filepath.Abs(name); err != nil {
			return err
		}
	}
	return nil
}

// Process reads a process that runs. Its program is known.
func (o Options) Process(pid int) (Found, error) {
	s, err := process.Of(pid)
	if err != nil {
		return Found{}, err
	}
	lookup.Resolve(&s, nil, scenario.ImageConfig{}, o.Given)
	return Found{Start: &s}, nil
}

// runtime is what --runtime-version makes of the runtime that a source takes by
// default: another version or, where the source leaves it open, another runtime.
func (o Options) runtime(by scenario.RuntimeName, open bool) (scenario.Runtime, error) {
	name, version, named := strings.Cut(o.Version, ":")
	if !named {
		name, version = string(by), o.Version
	}
	version = strings.TrimPrefix(version, "v")
	r := scenario.Runtime{Name: scenario.RuntimeName(name), Version: version}
	if version != "" && (version[0] < '0' || version[0] > '9') {
		return r, fmt.Errorf("--runtime-version %q: want numbers, such as 20.10.24 or cri-o:1.30", o.Version)
	}
	switch {
	case !named:
		return r, nil
	case !known(r.Name):
		return r, fmt.Errorf("--runtime-version: runtime %q: want one of docker, podman, containerd, cri-o, systemd", name)
	case r.Name != by && !open:
		return r, fmt.Errorf("--runtime-version: the source is one of %s, not of %s", by, name)
	default:
		return r, nil
	}
}

// setVersion takes the version of a start's runtime from the user.
func (o Options) setVersion(s *scenario.Start) error {
	r, err := o.runtime(s.Settings.Runtime.Name, false)
	if err == nil && o.Version != "" {
		s.Settings.Runtime = r
	}
	return err
}

// systemdVersion is that which the user says, or this machine's, such as
// "252.38-1~deb12u1"; "" where there is none.
func (o Options) systemdVersion() (string, error) {
	r, err := o.runtime(scenario.Systemd, false)
	if err != nil || r.Version != "" {
		return r.Version, err
	}
	out, err := exec.Command("systemctl", "--version").Output()
	if err != nil {
		return "", nil //nolint:nilerr // a machine without systemd: the package assumes a version
	}
	_, rest, _ := strings.Cut(string(out), "(")
	version, _, _ := strings.Cut(rest, ")")
	return version, nil
}

func known(name scenario.RuntimeName) bool {
	for _, b := range scenario.Behaviours() {
		if b.Runtime == name {
			return true
		}
	}
	return false
}
