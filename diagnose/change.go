package diagnose

// Change is one change of a start, by its stable identifier. The constants stand
// in the order of the privilege they give, least first.
type Change uint8

// The changes.
const (
	// ChangePort lets the program listen on a port that needs no capability.
	ChangePort Change = iota
	// RunAsUser runs the program as an ordinary user.
	RunAsUser
	// FilePermitted takes the effective bit off the file.
	FilePermitted
	// FileStrip takes all capabilities off the file.
	FileStrip
	// AllowCalls lets the system call filter pass what the program needs.
	AllowCalls
	// AllowFamilies lets the program make sockets of IPv4 and IPv6.
	AllowFamilies
	// AllowExec takes away the mounts on which nothing is executed.
	AllowExec
	// Sysctl opens the port to everybody in the program's network namespace.
	Sysctl
	// Direct executes the program without a shell or an init before it.
	Direct
	// FileGrant permits the capability to the file.
	FileGrant
	// FileGrantEffective gives the file the capability with the effective bit.
	FileGrantEffective
	// MoveFile moves the file to a mount without nosuid.
	MoveFile
	// Restart starts a running program again.
	Restart
	// AddCapability puts the capability in the bounding set.
	AddCapability
	// Ambient makes the capability ambient.
	Ambient
	// OwnNetwork gives the program a network namespace of its own.
	OwnNetwork
	// HostUsers runs the program in the host's user namespace.
	HostUsers
	// AllowNewPrivs leaves out no_new_privs.
	AllowNewPrivs
	// HostSysctl opens the port to everybody on the host.
	HostSysctl
	// RunAsRoot runs the program as root.
	RunAsRoot
	numChanges
)

// changeTexts holds the identifier of each change, and what it gives away.
var changeTexts = [numChanges]struct{ id, gives string }{
	ChangePort:         {"change-port", "nothing"},
	RunAsUser:          {"run-as-user", "nothing"},
	FilePermitted:      {"file-permitted", "nothing"},
	FileStrip:          {"file-strip", "nothing"},
	AllowCalls:         {"allow-calls", "system calls that the filter refused"},
	AllowFamilies:      {"allow-families", "sockets of IPv4 and IPv6"},
	AllowExec:          {"allow-exec", "the execution of every file"},
	Sysctl:             {"sysctl", "low ports for every program in the network namespace"},
	Direct:             {"direct", "nothing"},
	FileGrant:          {"file-grant", "the capability for whoever may execute the file"},
	FileGrantEffective: {"file-grant-effective", "the capability for whoever may execute the file, which then starts only where it is granted"},
	MoveFile:           {"move-file", "the capability for whoever may execute the file"},
	Restart:            {"restart", "nothing"},
	AddCapability:      {"add-capability", "one capability"},
	Ambient:            {"ambient", "one capability, for child processes too"},
	OwnNetwork:         {"own-network", "nothing on the host"},
	HostUsers:          {"host-users", "the host's user namespace"},
	AllowNewPrivs:      {"allow-new-privs", "privilege gains at execve (set-user-ID files)"},
	HostSysctl:         {"host-sysctl", "low ports for every program on the host"},
	RunAsRoot:          {"run-as-root", "root"},
}

// String returns the stable identifier, such as "add-capability".
func (c Change) String() string { return changeTexts[c].id }

// Gives says what the change gives, and to whom.
func (c Change) Gives() string { return changeTexts[c].gives }
