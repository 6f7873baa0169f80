package unit

import (
	"strings"

	"github.com/capwise/capwise/capset"
)

// protection is a setting that costs privileges besides what it protects.
type protection struct {
	key string
	// filters: systemd installs a seccomp filter for it. Below version 255 that
	// brings no_new_privs for any user but root, whatever NoNewPrivileges= says.
	filters bool
	// drops is what it takes out of the bounding set.
	drops capset.Set
}

// filterVersion is the first version that installs seccomp filters before it
// gives up root, and so needs no no_new_privs for them (exec-invoke.c,
// keep_seccomp_privileges). What was seen is that 252.38 does need it.
const filterVersion = 255

// protections is what systemd 252.38 was seen to do, each setting with users
// root and 65532: context_has_seccomp of core/execute.c, and the capabilities
// that config_parse leaves to systemd.exec(5).
var protections = []protection{
	{key: "LockPersonality", filters: true},
	{key: "MemoryDenyWriteExecute", filters: true},
	{key: "PrivateDevices", filters: true, drops: capset.Of(capset.Mknod, capset.SysRawio)},
	{key: "ProtectClock", filters: true, drops: capset.Of(capset.SysTime, capset.WakeAlarm)},
	{key: "ProtectHostname", filters: true},
	{key: "ProtectKernelLogs", filters: true, drops: capset.Of(capset.Syslog)},
	{key: "ProtectKernelModules", filters: true, drops: capset.Of(capset.SysModule)},
	{key: "ProtectKernelTunables", filters: true},
	{key: "RestrictAddressFamilies", filters: true},
	{key: "RestrictNamespaces", filters: true},
	{key: "RestrictRealtime", filters: true},
	{key: "RestrictSUIDSGID", filters: true},
	{key: "SystemCallArchitectures", filters: true},
	{key: "SystemCallFilter", filters: true},
	{key: "SystemCallLog", filters: true},
}

// nosuidUnder returns the folders that are mounted nosuid where no_new_privs
// meets a mount namespace: not everything, as systemd.exec(5) has it, but what
// the settings mount anew, with all below. Seen with 252.38.
func (s *settings) nosuidUnder(dynamic bool) []string {
	var folders []string
	switch system := s.value("Service.ProtectSystem"); {
	case dynamic || system == "strict":
		return []string{"/"}
	case system == "full":
		folders = append(folders, "/usr", "/boot", "/efi", "/etc")
	default:
		if on, _ := parseBool(system); on {
			folders = append(folders, "/usr", "/boot", "/efi")
		}
	}
	if s.value("Service.ProtectHome") == "read-only" {
		folders = append(folders, "/home", "/root", "/run/user")
	}
	if on, _ := parseBool(s.value("Service.PrivateTmp")); on {
		folders = append(folders, "/tmp", "/var/tmp")
	}
	return append(folders, s.lists()...)
}

// lists returns the folders that lists of paths mount anew.
func (s *settings) lists() []string {
	var folders []string
	for _, key := range []string{"ReadOnlyPaths", "ReadWritePaths", "ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths"} {
		for _, a := range s.list("Service." + key) {
			for word := range strings.FieldsSeq(a.value) {
				folders = append(folders, mounted(word, strings.HasPrefix(key, "Bind")))
			}
		}
	}
	return folders
}

// mounted returns the folder of a word of a list: for a bind mount the second of
// SOURCE:DESTINATION:OPTIONS.
func mounted(word string, bind bool) string {
	word = strings.TrimLeft(word, "-+")
	parts := strings.Split(word, ":")
	if bind && len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return parts[0]
}
