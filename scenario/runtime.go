package scenario

import (
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// Runtime is what starts the program.
type Runtime struct {
	Name    RuntimeName
	Version string // such as "24.0.6"; "" stands for AssumedVersion
}

// RuntimeName names a runtime.
type RuntimeName string

// The runtimes.
const (
	Docker     RuntimeName = "docker"
	Podman     RuntimeName = "podman"
	Containerd RuntimeName = "containerd" // through CRI
	CRIO       RuntimeName = "cri-o"
	Systemd    RuntimeName = "systemd"
	RunC       RuntimeName = "runc" // any OCI runtime, started with a config.json
	Shell      RuntimeName = "shell"
)

// assumedVersions is the version that counts where the source names none: a
// current one, except that containerd is taken for the one before it opened
// low ports, since a wrong "works" is worse than a wrong "fails".
var assumedVersions = map[RuntimeName]string{
	Docker: "28.0", Podman: "5.0", Containerd: "1.7", CRIO: "1.30", Systemd: "257",
}

// AssumedVersion returns the version that counts where the source names none.
func (n RuntimeName) AssumedVersion() string { return assumedVersions[n] }

// Behaviour is what a runtime does in a range of versions.
type Behaviour struct {
	Runtime RuntimeName
	// From is the first version, "" for the beginning; Below the first that
	// does otherwise, "" for none.
	From, Below string
	// Default is the bounding set of a container for which nothing is asked.
	Default capset.Set
	// KeepsPermitted: the granted set is permitted before execve(2) for a user
	// other than root, too.
	KeepsPermitted bool
	// AddedAmbient: what was added by name is ambient for a user other than root.
	AddedAmbient bool
	// ChangeKeeps: where secure bits or ambient capabilities are asked for, the change
	// to a user other than root keeps the granted set permitted, until execve(2).
	ChangeKeeps bool
	// Inheritable: the granted set is inheritable.
	Inheritable bool
	// PortStart is ip_unprivileged_port_start in a private network namespace.
	PortStart int
	// Source says where this is known from; Seen is the version in which a test
	// of this project saw it, "" where none could be started.
	Source, Seen string
}

var (
	moby = capset.Of(capset.Chown, capset.DACOverride, capset.Fowner, capset.Fsetid, capset.Kill, capset.Setgid,
		capset.Setuid, capset.Setpcap, capset.NetBindService, capset.NetRaw, capset.SysChroot, capset.Mknod,
		capset.AuditWrite, capset.Setfcap)
	crio = capset.Of(capset.Chown, capset.DACOverride, capset.Fowner, capset.Fsetid, capset.Kill, capset.Setgid,
		capset.Setuid, capset.Setpcap, capset.NetBindService)
	podman = crio | capset.Of(capset.SysChroot, capset.Setfcap)
)

// Behaviours returns what is known about runtimes: of each the oldest version first.
func Behaviours() []Behaviour { return slices.Clone(behaviours[:]) }

// behaviours is what is known about runtimes, in one place.
var behaviours = [...]Behaviour{
	{Runtime: Docker, Below: "20.10", Default: moby, Inheritable: true, PortStart: law.DefaultPortStart, Source: "moby#41030, CVE-2022-24769"},
	{Runtime: Docker, From: "20.10", Below: "20.10.14", Default: moby, Inheritable: true, PortStart: 0, Source: "moby#41030, CVE-2022-24769"},
	{Runtime: Docker, From: "20.10.14", Below: "24.0.6", Default: moby, PortStart: 0, Source: "moby#45511", Seen: "20.10.24"},
	{Runtime: Docker, From: "24.0.6", Default: moby, KeepsPermitted: true, PortStart: 0, Source: "moby#45511"},
	{Runtime: Podman, Default: podman, AddedAmbient: true, PortStart: law.DefaultPortStart, Source: "docs/runtimes.md", Seen: "4.3.1"},
	{Runtime: Containerd, Below: "2.0", Default: moby, KeepsPermitted: true, PortStart: law.DefaultPortStart, Source: "containerd 1.6 through CRI", Seen: "1.6.20"},
	{Runtime: Containerd, From: "2.0", Default: moby, KeepsPermitted: true, PortStart: 0, Source: "containerd 2.0: enable_unprivileged_ports"},
	{Runtime: CRIO, Default: crio, KeepsPermitted: true, PortStart: law.DefaultPortStart, Source: "cri-o#10050"},
	{Runtime: Systemd, Default: capset.All, ChangeKeeps: true, PortStart: law.DefaultPortStart, Source: "systemd.exec(5)", Seen: "252.38"},
	{Runtime: RunC, KeepsPermitted: true, PortStart: law.DefaultPortStart, Source: "OCI runtime specification, process.capabilities", Seen: "1.1.5"},
	{Runtime: Shell, Default: capset.All, PortStart: law.DefaultPortStart, Source: "capabilities(7)"},
}

// Before reports whether the version, or the assumed one, is below another.
func (r Runtime) Before(version string) bool {
	own := r.Version
	if own == "" {
		own = assumedVersions[r.Name]
	}
	return versionLess(own, version)
}

// Behaviour returns what the runtime does in its version.
func (r Runtime) Behaviour() Behaviour {
	version := r.Version
	if version == "" {
		version = assumedVersions[r.Name]
	}
	var last Behaviour
	for _, b := range behaviours {
		if b.Runtime != r.Name {
			continue
		}
		last = b
		if b.Below == "" || versionLess(version, b.Below) {
			break
		}
	}
	return last
}

// versionLess compares dotted numbers; what is not a number ends a version.
func versionLess(a, b string) bool {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, n := leadingNumber(x), leadingNumber(y)
		if m != n {
			return m < n
		}
	}
	return false
}

func leadingNumber(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, _ := strconv.Atoi(s[:end]) // no digits count as 0
	return n
}

// Task returns the credentials just before the first execve(2).
func (s *Settings) Task() law.Task {
	t := law.User(s.UID, s.GID, s.Granted)
	t.Groups, t.Securebits, t.NoNewPrivs = s.Groups, s.Securebits, s.NoNewPrivs
	t.Tracer, t.SharedFS = s.Tracer, s.SharedFS
	t.Sets = s.sets()
	return t
}

// sets returns the capability sets just before the first execve(2).
func (s *Settings) sets() cred.Sets {
	if s.Given != nil {
		return *s.Given
	}
	b := s.Runtime.Behaviour()
	sets := cred.Sets{Bounding: s.Granted, Inheritable: s.Ambient, Ambient: s.Ambient, Permitted: s.Ambient}
	if b.Inheritable {
		sets.Inheritable |= s.Granted
	}
	switch {
	case s.UID == 0 || b.KeepsPermitted || b.ChangeKeeps && (s.Securebits != 0 || s.Ambient != 0):
		sets.Permitted |= s.Granted
	case b.AddedAmbient:
		added := s.Added & s.Granted
		sets.Permitted, sets.Inheritable, sets.Ambient = sets.Permitted|added, sets.Inheritable|added, sets.Ambient|added
	}
	sets.Effective = sets.Permitted
	return sets
}

// NetworkNamespace returns the network namespace as the program sees it.
func (s *Settings) NetworkNamespace() law.Network {
	n := law.Network{PortStart: s.PortStart}
	if s.UserNamespace && (s.Network == NetworkHost || s.NetworkOutside) {
		n.Owner = law.OwnerForeign
	}
	if s.PortStart == Unset {
		n.PortStart = law.DefaultPortStart
		if s.Network != NetworkHost {
			n.PortStart = s.Runtime.Behaviour().PortStart
		}
	}
	return n
}
