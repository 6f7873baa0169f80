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
	// MeetPolicy makes the object one that the platform's policy admits.
	MeetPolicy
	// NoSysctl leaves out sysctls that the runtime refuses to set.
	NoSysctl
	// PublishElsewhere publishes ports of the host that need no capability.
	PublishElsewhere
	// NoInit leaves out the init that the runtime was to start first (--init).
	NoInit
	// Direct executes the program without a shell or another program before it.
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

// changeIDs holds the identifier of each change.
var changeIDs = [numChanges]string{
	ChangePort: "change-port", RunAsUser: "run-as-user", FilePermitted: "file-permitted", FileStrip: "file-strip",
	AllowCalls: "allow-calls", AllowFamilies: "allow-families", AllowExec: "allow-exec",
	Sysctl: "sysctl", MeetPolicy: "meet-policy", NoSysctl: "no-sysctl", PublishElsewhere: "publish-elsewhere", NoInit: "no-init",
	Direct: "direct", FileGrant: "file-grant", FileGrantEffective: "file-grant-effective", MoveFile: "move-file", Restart: "restart",
	AddCapability: "add-capability", Ambient: "ambient", OwnNetwork: "own-network", HostUsers: "host-users",
	AllowNewPrivs: "allow-new-privs", HostSysctl: "host-sysctl", RunAsRoot: "run-as-root",
}

// String returns the stable identifier, such as "add-capability".
func (c Change) String() string { return changeIDs[c] }
