// Package sources finds out which source of facts the user gave, reads it by the
// package that knows it, and looks its programs up.
package sources

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/cmd/capwise/internal/policy"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
	"github.com/capwise/capwise/scenario/process"
)

// Options is what the user says besides the source.
type Options struct {
	// Image is the reference of the image that is executed, "" to leave it to
	// the source.
	Image string
	// Version is the runtime's, such as "24.0.6" or "cri-o:1.30".
	Version string
	Given   lookup.Given
	// Only is the name of the one container, or service, that Image and Given are about;
	// "" for all.
	Only string
	// Policy is the platform's, or nil.
	Policy *policy.Policy
	// Profiles is those of compose files whose services count, too.
	Profiles []string
	// Root is the folder that the tree of another machine lies in, whose units, users
	// and programs count; "" for this machine.
	Root string
	// Env is the variables of the caller that compose files may have, NAME=VALUE.
	Env []string
	// EnvFiles is files of variables that compose files have besides that of the project.
	EnvFiles []string
	// Look says that an image may be looked for where the source names one: with the
	// engines here, and, unless Offline says otherwise, in its registry.
	Look, Offline bool
	// Images say how images are read.
	Images rootfs.Options

	by      scenario.RuntimeName // what runs manifests; "" for a kubelet
	instead map[string]string    // texts that stand for compose files
	run     *compose.Run         // what a command line changes in a service
	swarm   bool                 // a swarm reads the compose files
}

// hostPortStart is where unprivileged ports begin on this machine; 0 if that cannot be
// read.
func hostPortStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text))) // what is no number stands for the default
	return n
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

func known(name scenario.RuntimeName) bool {
	for _, b := range scenario.Behaviours() {
		if b.Runtime == name {
			return true
		}
	}
	return false
}
