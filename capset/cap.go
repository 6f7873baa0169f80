package capset

import (
	"errors"
	"strconv"
	"strings"
)

// Cap is the number of a capability, as in <linux/capability.h>. Numbers up to
// [MaxCap] can be represented, also those that have no name yet.
type Cap uint8

// The capabilities of Linux, with the number the kernel gives them.
const (
	Chown             Cap = 0
	DACOverride       Cap = 1
	DACReadSearch     Cap = 2
	Fowner            Cap = 3
	Fsetid            Cap = 4
	Kill              Cap = 5
	Setgid            Cap = 6
	Setuid            Cap = 7
	Setpcap           Cap = 8
	LinuxImmutable    Cap = 9
	NetBindService    Cap = 10
	NetBroadcast      Cap = 11
	NetAdmin          Cap = 12
	NetRaw            Cap = 13
	IPCLock           Cap = 14
	IPCOwner          Cap = 15
	SysModule         Cap = 16
	SysRawio          Cap = 17
	SysChroot         Cap = 18
	SysPtrace         Cap = 19
	SysPacct          Cap = 20
	SysAdmin          Cap = 21
	SysBoot           Cap = 22
	SysNice           Cap = 23
	SysResource       Cap = 24
	SysTime           Cap = 25
	SysTTYConfig      Cap = 26
	Mknod             Cap = 27
	Lease             Cap = 28
	AuditWrite        Cap = 29
	AuditControl      Cap = 30
	Setfcap           Cap = 31
	MACOverride       Cap = 32
	MACAdmin          Cap = 33
	Syslog            Cap = 34
	WakeAlarm         Cap = 35
	BlockSuspend      Cap = 36
	AuditRead         Cap = 37
	Perfmon           Cap = 38
	BPF               Cap = 39
	CheckpointRestore Cap = 40
)

// MaxCap is the highest number that a 64-bit capability set can hold.
const MaxCap Cap = 63

// names holds the name of each capability at its number.
var names = [...]string{
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner",
	"cap_fsetid", "cap_kill", "cap_setgid", "cap_setuid", "cap_setpcap",
	"cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast",
	"cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner",
	"cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace",
	"cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice",
	"cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod",
	"cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap",
	"cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm",
	"cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf",
	"cap_checkpoint_restore",
}

// String returns libcap's name, such as "cap_net_bind_service", or the decimal
// number of a capability that has no name.
func (c Cap) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return strconv.Itoa(int(c))
}

// ParseCap reads the name of a capability as libcap does: in either case, with
// its "cap_" prefix, or as a number (decimal, or hexadecimal after "0x").
// The error names the input.
func ParseCap(name string) (Cap, error) {
	lower := strings.ToLower(name)
	for i, n := range names {
		if n == lower {
			return Cap(i), nil
		}
	}
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		if n, err := strconv.ParseUint(name, numberBase(lower), 8); err == nil && n <= uint64(MaxCap) {
			return Cap(n), nil
		}
		return 0, errors.New("capability number " + strconv.Quote(name) + " is not in the range 0 to " + strconv.Itoa(int(MaxCap)))
	}
	return 0, errors.New("unknown capability " + strconv.Quote(name))
}

// numberBase returns the base argument of [strconv.ParseUint]: 0 where the
// prefix says the base, as strtoul(3) understands it, without Go's additions.
func numberBase(s string) int {
	switch {
	case strings.Contains(s, "_") || strings.HasPrefix(s, "0b") || strings.HasPrefix(s, "0o"):
		return 10 // which then refuses it
	default:
		return 0
	}
}
