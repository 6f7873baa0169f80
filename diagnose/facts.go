package diagnose

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
)

// Owner says whose the network namespace is.
type Owner string

const (
	// OwnerUnknown says that the kernel could not be asked (no /proc, say).
	OwnerUnknown Owner = "unknown"
	// OwnerSelf says that the process's user namespace, or one inside it, does.
	OwnerSelf Owner = "own"
	// OwnerForeign says that another user namespace owns it, where the
	// capabilities of this process do not count.
	OwnerForeign Owner = "foreign"
)

// Environment is where the process runs, as far as it can see. It chooses the
// words of a remedy, never a cause.
type Environment string

// The environments.
const (
	PlainHost  Environment = "host"
	Systemd    Environment = "systemd"
	Docker     Environment = "docker"
	Podman     Environment = "podman"
	Kubernetes Environment = "kubernetes"
)

// Facts is what decides about a bind, as [Self] found it. A fact that could not
// be had is at its zero value and named in Unknown.
type Facts struct {
	// PortStart is net.ipv4.ip_unprivileged_port_start of the network
	// namespace; DefaultPortStart, and named in Unknown, where not readable.
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
	// FileForeign: the file's capabilities count in another user namespace
	// only. File is nil if the kernel does not show them here.
	FileForeign bool `json:"file_foreign,omitempty"`
	Nosuid      bool `json:"nosuid,omitempty"` // Executable is on a nosuid mount

	NetworkOwner Owner `json:"network_owner"`
	// Wrapper is the name of the process that started this one in a container
	// or service, such as sh or tini; "" if it was the runtime itself.
	Wrapper     string      `json:"wrapper,omitempty"`
	Environment Environment `json:"environment"`
	Unknown     []string    `json:"unknown,omitempty"`
}

// actsAsRoot reports whether execve(2) gave the process the root rule's
// permitted set instead of its file's.
func (f Facts) actsAsRoot() bool { return f.UID == 0 && !f.NoRoot }

// fileGrants reports whether the file's permitted set holds the capability.
func (f Facts) fileGrants() bool {
	return f.File != nil && f.File.Permitted.Has(capset.NetBindService)
}

// executable names the program's file in a sentence.
func (f Facts) executable() string {
	if f.Executable == "" {
		return "the program's file"
	}
	return f.Executable
}

func (f Facts) portStartText() string {
	for _, u := range f.Unknown {
		if u == factPortStart {
			return fmt.Sprintf("not readable, %d by default", f.PortStart)
		}
	}
	return fmt.Sprint(f.PortStart)
}

const factPortStart = "ip_unprivileged_port_start"
