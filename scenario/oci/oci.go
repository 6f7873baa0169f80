// Package oci reads the config.json of an OCI bundle, which states the
// credentials of its process outright (runtime-spec, config.md and
// config-linux.md).
package oci

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/scenario"
)

// config is what matters of config.json.
type config struct {
	Version  string   `json:"ociVersion"`
	Hostname string   `json:"hostname"`
	Process  *process `json:"process"`
	Root     *struct {
		Path string `json:"path"`
	} `json:"root"`
	Linux struct {
		Namespaces []struct {
			Type string `json:"type"`
			Path string `json:"path"`
		} `json:"namespaces"`
		Sysctl  map[string]string `json:"sysctl"`
		Seccomp *json.RawMessage  `json:"seccomp"`
	} `json:"linux"`
}

type process struct {
	Args         []string      `json:"args"`
	Env          []string      `json:"env"`
	Cwd          string        `json:"cwd"`
	User         user          `json:"user"`
	Capabilities *capabilities `json:"capabilities"`
	NoNewPrivs   bool          `json:"noNewPrivileges"`
	AppArmor     string        `json:"apparmorProfile"`
	SELinux      string        `json:"selinuxLabel"`
}

type user struct {
	UID            uint32   `json:"uid"`
	GID            uint32   `json:"gid"`
	AdditionalGids []uint32 `json:"additionalGids"`
}

type capabilities struct {
	Bounding, Effective, Permitted, Inheritable, Ambient []string
}

// Parse reads the text of a config.json; file is what it is called in errors,
// which name the field. root is where the root file system lies, seen from the
// folder of the file.
func Parse(data []byte, file string) (s scenario.Start, root string, err error) {
	var c config
	if err := json.Unmarshal(data, &c); err != nil {
		return scenario.Start{}, "", fmt.Errorf("%s: %w", file, err)
	}
	if c.Version == "" || c.Process == nil {
		return scenario.Start{}, "", fmt.Errorf("%s: no ociVersion or no process: not an OCI config.json of a container that runs something", file)
	}
	s = scenario.Start{
		Name: filepath.Base(filepath.Dir(file)), Syntax: scenario.OCI, Where: scenario.Where{File: file},
		Request: scenario.Request{
			Entrypoint: []string{}, Args: c.Process.Args, WorkDir: c.Process.Cwd,
			User: fmt.Sprintf("%d:%d", c.Process.User.UID, c.Process.User.GID),
		},
	}
	if len(c.Process.Args) > 0 && (s.Name == "." || s.Name == "/") {
		s.Name = c.Process.Args[0]
	}
	for _, v := range c.Process.Env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			s.Request.Path = path
		}
	}
	if err := c.settings(&s); err != nil {
		return scenario.Start{}, "", fmt.Errorf("%s: %w", file, err)
	}
	if c.Root != nil {
		root = c.Root.Path
	}
	return s, root, nil
}

func (c *config) settings(s *scenario.Start) error {
	p := c.Process
	set := &s.Settings
	set.Runtime.Name, set.PortStart = scenario.RunC, scenario.Unset
	set.UID, set.GID, set.Groups, set.NoNewPrivs = p.User.UID, p.User.GID, p.User.AdditionalGids, p.NoNewPrivs
	sets, err := p.sets()
	if err != nil {
		return err
	}
	set.Given, set.Granted = &sets, sets.Bounding
	set.Network = scenario.NetworkHost
	for _, n := range c.Linux.Namespaces {
		switch n.Type {
		case "user":
			set.UserNamespace = true
		case "network":
			set.Network = scenario.NetworkPrivate
			if n.Path != "" {
				set.Network = scenario.NetworkJoined
				s.Note(fmt.Sprintf("the network is that of %s: which ports are privileged in it is not known, and taken to be the kernel's default", n.Path))
			}
		}
	}
	if err := c.sysctls(s); err != nil {
		return err
	}
	for what, is := range map[string]bool{"seccomp filter": c.Linux.Seccomp != nil, "AppArmor profile": p.AppArmor != "", "SELinux label": p.SELinux != ""} {
		if is {
			s.Note("the " + what + " is not judged: it may refuse what the kernel's own rules allow")
		}
	}
	slices.Sort(s.Notes)
	if set.Network == scenario.NetworkHost && s.Request.NetSysctl != "" {
		s.Refused = &scenario.Refusal{Cause: scenario.CauseSysctlHostNetwork, Reason: "the sysctl " + s.Request.NetSysctl + " cannot be set for a container on the host's network"}
	}
	return nil
}

// sets reads process.capabilities. Without that field the process has nothing,
// as runc 1.1.5 and crun 1.8.1 do it.
func (p *process) sets() (cred.Sets, error) {
	var sets cred.Sets
	if p.Capabilities == nil {
		return sets, nil
	}
	for _, field := range []struct {
		name string
		from []string
		to   *capset.Set
	}{
		{"bounding", p.Capabilities.Bounding, &sets.Bounding},
		{"effective", p.Capabilities.Effective, &sets.Effective},
		{"permitted", p.Capabilities.Permitted, &sets.Permitted},
		{"inheritable", p.Capabilities.Inheritable, &sets.Inheritable},
		{"ambient", p.Capabilities.Ambient, &sets.Ambient},
	} {
		for _, name := range field.from {
			c, err := capset.ParseCap(name)
			if err != nil {
				return sets, fmt.Errorf("process.capabilities.%s: %w", field.name, err)
			}
			*field.to |= capset.Of(c)
		}
	}
	// What the kernel refuses, runtimes leave out with a warning.
	sets.Ambient &= sets.Permitted & sets.Inheritable
	sets.Effective &= sets.Permitted
	return sets, nil
}

// sysctls is linux.sysctl.
func (c *config) sysctls(s *scenario.Start) error {
	for name, value := range c.Linux.Sysctl {
		name = strings.ReplaceAll(name, "/", ".")
		if strings.HasPrefix(name, "net.") {
			s.Request.NetSysctl = name
		}
		if name != "net.ipv4.ip_unprivileged_port_start" {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("linux.sysctl: %s: %q is no port number", name, value)
		}
		s.Settings.PortStart, s.Settings.SetsPortStart = int(n), true
	}
	return nil
}
