// Package scenario describes one program start: as whom, with which
// capabilities, in which namespaces, which file is executed, and where it will
// listen. It is what every source of facts (a docker command, a compose file, a
// pod, a unit, an OCI configuration, a running process) boils down to, and what
// package diagnose judges and changes.
//
// [Settings] keeps what the source says in neutral words, and
// [Settings.Task] turns it into credentials by the rules of the runtime, which
// stand as data in one place ([Behaviours]). So a change of a setting can be
// judged as the setting itself was. The package is pure; the sources live in
// folders below it.
package scenario

import (
	"slices"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// Start is one program start: a container, a unit, a process.
type Start struct {
	// Name is what the source calls it.
	Name     string
	Syntax   Syntax
	Where    Where
	Settings Settings
	// Request is what the source says about the program before it is looked up;
	// [Resolve] turns it into Program, and completes Settings and Listens.
	Request Request
	Program Program
	Listens []Listen
	// Published is the ports of the host that the runtime binds for it.
	Published []Listen
	// listening is which ports AddListen has added.
	listening map[portKey]bool
	// Notes is what the reader should know about how the source was read: what
	// was assumed, is ambiguous or was not understood. One line each.
	Notes []string
	// Unknowns is the facts that nobody says. The start is as the first case of each
	// has it.
	Unknowns []Unknown
	// Running is the credentials of a program that runs already; nil before it is
	// started. Settings then are what it was started with, as far as that can be
	// told: nothing permitted.
	Running *law.Task
	// Refused is why the runtime does not start the program at all, whatever the
	// kernel would say; nil where it does.
	Refused *Refusal
}

// Clone returns a copy that can be changed without changing s.
func (s *Start) Clone() *Start {
	c := *s
	c.Program.Chain, c.Published = slices.Clone(s.Program.Chain), slices.Clone(s.Published)
	c.Listens, c.Notes, c.listening = slices.Clone(s.Listens), slices.Clone(s.Notes), nil // it is made again from Listens
	c.Settings.Groups, c.Unknowns = slices.Clone(s.Settings.Groups), slices.Clone(s.Unknowns)
	if s.Settings.Given != nil {
		given := *s.Settings.Given
		c.Settings.Given = &given
	}
	return &c
}

// Note adds a line to the notes, unless it is there.
func (s *Start) Note(line string) {
	if !slices.Contains(s.Notes, line) {
		s.Notes = append(s.Notes, line)
	}
}

// Request is what a source says about its program: names that mean something
// only in the file system of the image or the host.
type Request struct {
	// Image is the reference of the image; "" for the files of the host.
	Image string
	// Entrypoint and Args override what the image says, where they are not nil.
	Entrypoint, Args []string
	// User is a name or number, with a group behind a colon or without; ""
	// leaves it to the image.
	User string
	// Groups are supplementary groups, by name or number.
	Groups []string
	// NonRoot asks the runtime to refuse root (runAsNonRoot).
	NonRoot bool
	// NetSysctl is the name of a sysctl of the network that is to be set; "" for none.
	NetSysctl string
	// Init says that the runtime starts an init of its own first (--init).
	Init bool
	// UserOfHost says that User and Groups are looked up on a machine, as systemd does
	// it: a number that no user has is refused, and a name that is not here may be one
	// there.
	UserOfHost bool
	// AsRoot says that the program runs as root, and that User and Groups have to exist
	// all the same.
	AsRoot bool
	// Prefix is the signs before the program in a unit's ExecStart=.
	Prefix string
	// Root is the folder of the machine that is the program's root; "" for none.
	Root string
	// Path is the search path for the program, and WorkDir where relative names
	// begin, where the source sets them.
	Path, WorkDir string
}

// ImageConfig is what an image says about the program it is for.
type ImageConfig struct {
	User            string
	Entrypoint, Cmd []string
	Path            string // PATH of its environment
	WorkDir         string
	Exposed         []string // such as "80/tcp"
}

// Cause is the stable identifier of the reason why a program does not start or a
// bind fails. docs/causes has a page for each. Package diagnose has those that
// follow from the law.
type Cause string

// Causes for which a runtime does not start the program.
const (
	// CauseRunAsNonRoot says that the runtime was asked to refuse root, and the
	// program would be root.
	CauseRunAsNonRoot Cause = "run-as-non-root"
	// CauseNotFound says that there is no such file.
	CauseNotFound Cause = "not-found"
	// CauseNotExecutable says that the file is there but not executable.
	CauseNotExecutable Cause = "not-executable"
	// CauseUnknownUser says that the user or group has no number.
	CauseUnknownUser Cause = "unknown-user"
	// CauseSysctlHostNetwork says that net.ipv4.ip_unprivileged_port_start was to
	// be set for a container on the host's network, which engines refuse.
	CauseSysctlHostNetwork Cause = "sysctl-host-network"
	// CauseSysctlRefused says that the kernel does not have, or does not take, a sysctl
	// that was to be set.
	CauseSysctlRefused Cause = "sysctl-refused"
	// CauseUnsafeSysctl says that a kubelet does not allow a sysctl unless its own
	// settings name it.
	CauseUnsafeSysctl Cause = "unsafe-sysctl"
	// CauseRootlessPort says that a runtime without root was to publish a port of the
	// host that needs a capability.
	CauseRootlessPort Cause = "rootless-port"
	// CauseUnmappedUser says that the user has no number in the pod's user namespace.
	CauseUnmappedUser Cause = "unmapped-user"
	// CausePolicyRefused says that the platform's policy does not admit the object as it is.
	CausePolicyRefused Cause = "policy-refused"
	// CauseNoUserNamespace says that the runtime cannot give the pod a user namespace.
	CauseNoUserNamespace Cause = "no-user-namespace"
	// CauseMasked says that the unit is masked, so that systemd does not start it.
	CauseMasked Cause = "masked"
	// CauseInvalidManifest says that the API server does not accept the object,
	// since two of its fields exclude each other.
	CauseInvalidManifest Cause = "invalid-manifest"
)

// Refusal is a runtime's own refusal to start a program.
type Refusal struct {
	// Cause is one of the constants above.
	Cause Cause
	// Reason is one clause.
	Reason string
	// Remedy is what the source has to say instead, in its notation, and Apply makes
	// that of a start; "" and nil where there is nothing that would do.
	Remedy string
	Apply  func(*Start)
	// Fields is what Remedy says, for a machine.
	Fields []Field
}

// Field is a field of a source in a structured notation, with what it has to be.
type Field struct {
	// Path leads to it from the pod's specification: "containers[0].securityContext".
	Path string
	// Value is as YAML has it; "" for a field that has to be left out.
	Value string
}

// Syntax is the notation that the start was written in, and in which changes
// to it are to be written.
type Syntax string

// The notations.
const (
	DockerRun  Syntax = "docker"
	PodmanRun  Syntax = "podman"
	Compose    Syntax = "compose"
	Kubernetes Syntax = "kubernetes"
	Unit       Syntax = "systemd"
	SystemdRun Syntax = "systemd-run"
	OCI        Syntax = "oci"
	Host       Syntax = "host" // a command line or a process on a machine
)

// Where is the place in the source that a change would touch.
type Where struct {
	File string // "" for a command line
	Line int    // of the part that describes the program, from 1; 0 if unknown
	// Path leads to the program in a structured file, such as
	// "spec.template.spec.containers[0]".
	Path string
}

// Settings is what a source says about a start. Ids are those inside of the
// start's user namespace.
type Settings struct {
	Runtime Runtime
	UID     uint32
	GID     uint32
	// Somebody says that UID and GID stand for those of any user but root.
	Somebody bool
	Groups   []uint32
	// Granted is the bounding set that the runtime is asked for: its defaults
	// with what is added and without what is dropped, or CapabilityBoundingSet=.
	Granted capset.Set
	// Added is what was asked for by name (--cap-add). Podman treats it in a way
	// of its own.
	Added capset.Set
	// Dropped is what was dropped by name, which Kubernetes' runtimes take away whatever
	// is added, and Podman does not allow to be added.
	Dropped capset.Set
	// Ambient is what the runtime is asked to make ambient.
	Ambient capset.Set
	// Given holds the sets before execve(2) where the source states them
	// outright (an OCI configuration, a process); it then stands for Granted,
	// Added and Ambient, and no rule of the runtime is applied.
	Given      *cred.Sets
	Securebits cred.Securebits
	NoNewPrivs bool
	// NoNewPrivsImplied says that no_new_privs comes with another setting, and
	// cannot be turned off by itself.
	NoNewPrivsImplied bool
	// Nosuid says that the runtime mounts everything nosuid.
	Nosuid bool
	// UserNamespace says that the program runs in a user namespace of its own.
	UserNamespace bool
	// Rootless says that the runtime itself belongs to an ordinary user, and lives in
	// that user's namespace.
	Rootless bool
	Network  NetworkMode
	// NetworkOutside says that the network namespace, though not the host's,
	// belongs to the user namespace around the program's: it was made before.
	NetworkOutside bool
	// PortStart is net.ipv4.ip_unprivileged_port_start where the source sets or
	// states it, or Unset.
	PortStart int
	// SetsPortStart says that the runtime is asked to set it.
	SetsPortStart bool
	// HostPortStart is that of the host, where a rootless runtime publishes ports.
	HostPortStart int
	Tracer        law.Tracer
	SharedFS      bool
	// Sandbox is what is refused whatever the capabilities are.
	Sandbox Sandbox
}

// Unset stands for a number that the source does not state.
const Unset = -1

// NetworkMode says whose network namespace the program runs in.
type NetworkMode uint8

const (
	// NetworkPrivate is one of the program's own.
	NetworkPrivate NetworkMode = iota
	// NetworkHost is that of the host.
	NetworkHost
	// NetworkJoined is that of another container.
	NetworkJoined
)

// Program is what is executed.
type Program struct {
	// Args is the command line as the runtime gets it.
	Args []string
	// Chain is every execve(2) up to the program that listens, which is the
	// last: an entrypoint's interpreter, tini, the server. It is never empty in
	// a Start that is to be judged.
	Chain []Step
	// Awareness says whether the last program raises what it is permitted.
	Awareness Awareness
	// RunsCode says that the last program is an interpreter: whoever may start it chooses
	// what it does with its capabilities.
	RunsCode bool
}

// Step is one execve(2).
type Step struct {
	// Path is the file that is executed; for a script that of its interpreter; "" for
	// one whose name is not known.
	Path string
	// Args is the command line, if it is known.
	Args []string
	File law.File
	// Switch is set where the program before changed its user and executed this one.
	Switch *Switch
}

// Switch is a change of the user before the next execve(2), by a program such as gosu.
type Switch struct {
	// By is the program's name.
	By string
	// UID and GID are what it changes to, where it does.
	UID, GID *uint32
	// Somebody says that they stand for any but root's.
	Somebody bool
	// Groups says that it sets the supplementary groups, for which it needs CAP_SETGID
	// whoever it is.
	Groups bool
	// RootOnly says that it refuses anybody but root.
	RootOnly bool
	// NoNewPrivs says that it sets no_new_privs.
	NoNewPrivs bool
	// Inheritable, Ambient and Bounding are what it makes of these sets.
	Inheritable, Ambient, Bounding SetChange
}

// SetChange is what is added to a set of capabilities, and what is taken out of it.
type SetChange struct{ Add, Drop capset.Set }

// Of returns the changed set.
func (c SetChange) Of(set capset.Set) capset.Set { return set&^c.Drop | c.Add }

// Last returns the step that starts the listening program.
func (p *Program) Last() *Step { return &p.Chain[len(p.Chain)-1] }

// Awareness says whether a program raises its permitted capabilities.
type Awareness string

// The kinds of programs.
const (
	// Aware programs raise what they are permitted when they need it.
	Aware Awareness = "aware"
	// Dumb programs do not know of capabilities: they need them effective.
	Dumb Awareness = "dumb"
)
