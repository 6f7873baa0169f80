package unit

import (
	"fmt"
	"slices"

	"github.com/capwise/capwise/scenario"
)

// Treatment is what becomes of a directive.
type Treatment string

// The treatments.
const (
	// Judged directives change the answer.
	Judged Treatment = "judged"
	// Noted directives may change it; a note says so where one is set.
	Noted Treatment = "noted"
	// Irrelevant directives change neither the start nor a bind.
	Irrelevant Treatment = "does not matter"
)

// Directive is a directive of systemd.exec(5), or one of systemd.resource-control(5)
// that is about capabilities or sockets, and what this package does with it.
type Directive struct {
	Name      string
	Treatment Treatment
	// How says more in a few words; for one that is noted, why that may change the answer.
	How string
}

// Directives returns what this package does with each directive, in the order of their
// names.
func Directives() []Directive {
	list := slices.Concat(judged, noted)
	for _, name := range irrelevant {
		list = append(list, Directive{Name: name, Treatment: Irrelevant})
	}
	slices.SortFunc(list, func(a, b Directive) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

var judged = []Directive{
	{"User", Judged, "whom the program runs as"},
	{"Group", Judged, "its group, which has to exist"},
	{"SupplementaryGroups", Judged, "they have to exist"},
	{"DynamicUser", Judged, "a user, no_new_privs, nosuid mounts, a /tmp of its own"},
	{"CapabilityBoundingSet", Judged, "the bounding set"},
	{"AmbientCapabilities", Judged, "the ambient set"},
	{"SecureBits", Judged, "the secure bits; of several lines the last"},
	{"NoNewPrivileges", Judged, "no_new_privs"},
	{"SystemCallFilter", Judged, "`execve`, `socket`, `bind`, `listen`, `capset` and changes of user; no_new_privs below 255"},
	{"SystemCallErrorNumber", Judged, "what a filtered call comes to"},
	{"RestrictAddressFamilies", Judged, "AF_INET and AF_INET6; no_new_privs below 255"},
	{"SystemCallArchitectures", Judged, "no_new_privs below 255"},
	{"SystemCallLog", Judged, "no_new_privs below 255"},
	{"MemoryDenyWriteExecute", Judged, "no_new_privs below 255"},
	{"RestrictNamespaces", Judged, "no_new_privs below 255"},
	{"RestrictRealtime", Judged, "no_new_privs below 255"},
	{"RestrictSUIDSGID", Judged, "no_new_privs below 255"},
	{"LockPersonality", Judged, "no_new_privs below 255"},
	{"ProtectHostname", Judged, "no_new_privs below 255"},
	{"ProtectKernelTunables", Judged, "no_new_privs below 255"},
	{"PrivateDevices", Judged, "CAP_MKNOD and CAP_SYS_RAWIO; no_new_privs below 255"},
	{"ProtectClock", Judged, "CAP_SYS_TIME and CAP_WAKE_ALARM; no_new_privs below 255"},
	{"ProtectKernelLogs", Judged, "CAP_SYSLOG; no_new_privs below 255"},
	{"ProtectKernelModules", Judged, "CAP_SYS_MODULE; no_new_privs below 255"},
	{"ProtectSystem", Judged, "nosuid mounts, with no_new_privs"},
	{"ProtectHome", Judged, "hides programs below /home, /root and /run/user; nosuid mounts"},
	{"PrivateTmp", Judged, "hides programs below /tmp and /var/tmp; nosuid mounts"},
	{"InaccessiblePaths", Judged, "hides programs"},
	{"InaccessibleDirectories", Judged, "an older name of InaccessiblePaths="},
	{"TemporaryFileSystem", Judged, "hides programs, and paths of other lists"},
	{"BindPaths", Judged, "brings programs back; nosuid mounts"},
	{"BindReadOnlyPaths", Judged, "brings programs back; nosuid mounts"},
	{"NoExecPaths", Judged, "programs that are not executed; nosuid mounts"},
	{"ExecPaths", Judged, "programs that are executed all the same; nosuid mounts"},
	{"ReadOnlyPaths", Judged, "nosuid mounts, with no_new_privs"},
	{"ReadOnlyDirectories", Judged, "an older name of ReadOnlyPaths="},
	{"ReadWritePaths", Judged, "nosuid mounts, with no_new_privs"},
	{"ReadWriteDirectories", Judged, "an older name of ReadWritePaths="},
	{"PrivateUsers", Judged, "a user namespace, which does not own the network"},
	{"PrivateNetwork", Judged, "a network of its own"},
	{"NetworkNamespacePath", Judged, "another network, which is assumed to be as new ones are"},
	{"RootDirectory", Judged, "where the program is looked up"},
	{"ExecSearchPath", Judged, "where a program without a path is looked up"},
	{"Environment", Judged, "variables in ExecStart=, and PATH"},
	{"EnvironmentFile", Judged, "variables in ExecStart=, and PATH"},
	{"PassEnvironment", Judged, "variables in ExecStart= that are not known"},
	{"UnsetEnvironment", Judged, "variables in ExecStart= that are empty"},
	{"SocketBindAllow", Judged, "ports, where systemd is built with BPF"},
	{"SocketBindDeny", Judged, "ports, where systemd is built with BPF"},
}

var noted = []Directive{
	{"RootImage", Noted, "the program is that of the image, whose files are not read"},
	{"MountImages", Noted, "the program may be that of an image, whose files are not read"},
	{"ExtensionImages", Noted, "the program may be that of an image, whose files are not read"},
	{"ExtensionDirectories", Noted, "the program may be that of an extension, whose files are not read"},
	{"PAMName", Noted, "modules of PAM may change ids and capabilities"},
	{"AppArmorProfile", Noted, "it may refuse what the kernel's own rules allow"},
	{"SELinuxContext", Noted, "it may refuse what the kernel's own rules allow"},
	{"SmackProcessLabel", Noted, "it may refuse what the kernel's own rules allow"},
	{"RestrictFileSystems", Noted, "it may keep the program's file from being read"},
	{"BPFProgram", Noted, "it may refuse what the kernel's own rules allow"},
	{"IPAddressDeny", Noted, "it drops packets of sockets that could be bound"},
	{"IPIngressFilterPath", Noted, "it drops packets of sockets that could be bound"},
	{"IPEgressFilterPath", Noted, "it drops packets of sockets that could be bound"},
	{"RestrictNetworkInterfaces", Noted, "it drops packets of sockets that could be bound"},
}

// irrelevant is what changes neither the start nor a bind.
var irrelevant = []string{
	"WorkingDirectory", "RootImageOptions", "RootImagePolicy", "RootHash", "RootHashSignature", "RootVerity", "RootEphemeral",
	"MountImagePolicy", "ExtensionImagePolicy", "Nice", "OOMScoreAdjust", "CoredumpFilter", "IOSchedulingClass",
	"IOSchedulingPriority", "CPUSchedulingPolicy", "CPUSchedulingPriority", "CPUSchedulingResetOnFork", "CPUAffinity",
	"NUMAPolicy", "NUMAMask", "UMask", "RemoveIPC", "StandardInput", "StandardOutput", "StandardError", "StandardInputText",
	"StandardInputData", "TTYPath", "TTYReset", "TTYVHangup", "TTYVTDisallocate", "TTYRows", "TTYColumns", "SyslogIdentifier",
	"SyslogFacility", "SyslogLevel", "SyslogLevelPrefix", "LogLevelMax", "LogRateLimitIntervalSec", "LogRateLimitBurst",
	"LogExtraFields", "LogFilterPatterns", "LogNamespace", "TimerSlackNSec", "KeyringMode", "ProtectProc", "ProcSubset",
	"LimitCPU", "LimitFSIZE", "LimitDATA", "LimitSTACK", "LimitCORE", "LimitRSS", "LimitNOFILE", "LimitAS", "LimitNPROC",
	"LimitMEMLOCK", "LimitLOCKS", "LimitSIGPENDING", "LimitMSGQUEUE", "LimitNICE", "LimitRTPRIO", "LimitRTTIME",
	"ProtectControlGroups", "IPCNamespacePath", "PrivateIPC", "PrivateMounts", "MountFlags", "MountAPIVFS", "Personality",
	"RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve", "StateDirectory", "StateDirectoryMode",
	"CacheDirectory", "CacheDirectoryMode", "LogsDirectory", "LogsDirectoryMode", "ConfigurationDirectory",
	"ConfigurationDirectoryMode", "SetCredential", "SetCredentialEncrypted", "LoadCredential", "LoadCredentialEncrypted",
	"ImportCredential", "TimeoutCleanSec", "IgnoreSIGPIPE", "UtmpIdentifier", "UtmpMode", "SetLoginEnvironment", "MemoryKSM",
	"DeviceAllow", "DevicePolicy", "IPAddressAllow", "IPAccounting",
}

// noteDirectives says which directives are set that may change the answer.
func (u *reader) noteDirectives(start *scenario.Start) {
	for _, d := range noted {
		if u.isSet("Service." + d.Name) {
			start.Note(fmt.Sprintf("%s= is not judged: %s", d.Name, d.How))
		}
	}
}

// olderNames is what directives are called in older units.
var olderNames = map[string]string{
	"Service.ReadWriteDirectories": "Service.ReadWritePaths", "Service.ReadOnlyDirectories": "Service.ReadOnlyPaths",
	"Service.InaccessibleDirectories": "Service.InaccessiblePaths",
}
