package diagnose

import (
	"fmt"
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/environ"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// NetworkOwner says whose the network namespace is.
type NetworkOwner string

const (
	// OwnerUnknown says that the kernel could not be asked (no /proc, say).
	OwnerUnknown NetworkOwner = "unknown"
	// OwnerSelf says that the process's user namespace, or one inside it, does.
	OwnerSelf NetworkOwner = "own"
	// OwnerForeign says that another user namespace owns it, where the
	// capabilities of this process do not count.
	OwnerForeign NetworkOwner = "foreign"
)

// Environment is where the process runs, as far as it can see. It chooses the
// words of a remedy, never a cause.
type Environment = environ.Environment

// The environments.
const (
	PlainHost  = environ.PlainHost
	Systemd    = environ.Systemd
	Docker     = environ.Docker
	Podman     = environ.Podman
	Kubernetes = environ.Kubernetes
)

// Facts is what decides about a bind of this process, as [Self] found it. A fact
// that could not be had is at its zero value and named in Unknown.
type Facts struct {
	// PortStart is net.ipv4.ip_unprivileged_port_start of the network
	// namespace; law.DefaultPortStart, and named in Unknown, where not readable.
	PortStart int `json:"ip_unprivileged_port_start"`

	UID        int        `json:"uid"` // effective user id
	Permitted  capset.Set `json:"permitted"`
	Effective  capset.Set `json:"effective"`
	Bounding   capset.Set `json:"bounding"`
	NoNewPrivs bool       `json:"no_new_privs"`
	Seccomp    int        `json:"seccomp"` // mode as in /proc/PID/status
	NoRoot     bool       `json:"noroot"`  // SECBIT_NOROOT: user id 0 gives nothing

	Executable string        `json:"executable,omitempty"`
	File       *filecap.Caps `json:"file,omitempty"` // nil without file capabilities
	// FileForeign says that the file's capabilities count in another user
	// namespace only. File is empty if the kernel does not show them here.
	FileForeign bool `json:"file_foreign,omitempty"`
	Nosuid      bool `json:"nosuid,omitempty"` // Executable is on a nosuid mount

	NetworkOwner NetworkOwner `json:"network_owner"`
	// Wrapper is the name of the process that started this one in a container
	// or service, such as sh or tini; "" if it was the runtime itself.
	Wrapper     string      `json:"wrapper,omitempty"`
	Environment Environment `json:"environment"`
	Unknown     []string    `json:"unknown,omitempty"`
}

// start describes the process as a program start that has taken place.
func (f Facts) start(port int) *scenario.Start {
	syntax, runtime := f.Environment.Start()
	s := &scenario.Start{Syntax: syntax, Listens: []scenario.Listen{{Network: "port", Address: fmt.Sprint(port), Port: port}}}
	given := cred.Sets{Bounding: f.Bounding}
	file := law.File{Nosuid: f.Nosuid, Foreign: f.FileForeign}
	if f.File != nil {
		file.Caps = *f.File
	}
	s.Program = scenario.Program{Chain: []scenario.Step{{Path: f.Executable, File: file}}, Awareness: scenario.Aware}
	if wrapper := f.wrapper(); wrapper != "" {
		s.Program.Chain = append([]scenario.Step{{Path: wrapper}}, s.Program.Chain...)
	}
	if (f.Wrapper != "" || f.Environment == Kubernetes) && runtime.Behaviour().KeepsPermitted {
		given.Permitted, given.Effective = f.Bounding, f.Bounding
	}
	uid := uint32(f.UID)
	s.Settings = scenario.Settings{
		Runtime: runtime, UID: uid, Given: &given, NoNewPrivs: f.NoNewPrivs,
		// Whose network it is, is known; that of a container cannot be told from
		// the host's.
		UserNamespace: f.NetworkOwner == OwnerForeign, Network: scenario.NetworkHost, PortStart: f.PortStart,
	}
	if slices.Contains(f.Unknown, factPortStart) {
		s.Settings.PortStart = scenario.Unset
	}
	if f.NoRoot {
		s.Settings.Securebits = cred.NoRoot
	}
	running := s.Settings.Task()
	running.Permitted, running.Effective = f.Permitted, f.Effective
	s.Running = &running
	return s
}

// wrapper is the program that stands between the runtime and this one. In Kubernetes
// one shows that has gone, too: the runtimes there leave a program what its file
// permits, no_new_privs or not, and a shell or env before it does not.
func (f Facts) wrapper() string {
	const c = capset.NetBindService
	if f.Wrapper == "" && f.Environment == Kubernetes && f.NoNewPrivs && f.Bounding.Has(c) && !f.Permitted.Has(c) &&
		f.File != nil && f.File.Permitted.Has(c) && !f.FileForeign && !f.Nosuid {
		return "another program"
	}
	return f.Wrapper
}

const factPortStart = "ip_unprivileged_port_start"
