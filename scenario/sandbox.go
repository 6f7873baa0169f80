package scenario

import (
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Sandbox is what filters and mounts of the runtime refuse to a program whatever
// capabilities it has. The zero value refuses nothing.
type Sandbox struct {
	// Calls is what a seccomp filter answers system calls with, by name. Those that
	// are not in it pass.
	Calls map[string]Filtered
	// NoIPv4 and NoIPv6 say that socket(2) refuses the family.
	NoIPv4, NoIPv6 bool
	// NoExec is folders, or files, below which nothing can be executed, and Exec those
	// below which it can be all the same. The nearest counts.
	NoExec, Exec []string
	// Hidden is folders over which something else is mounted.
	Hidden []HiddenFolder
	// Nosuid is folders that are mounted nosuid.
	Nosuid []string
	// Missing is why the mounts of the sandbox cannot be made, so that nothing starts; ""
	// where they can.
	Missing string
	// Ports says which ports bind(2) refuses, BPF programs of a cgroup doing so.
	Ports []PortRule
}

// Filtered is what a seccomp filter answers a system call with: the name of an
// errno, or Killed.
type Filtered string

// Killed says that the call ends the process by SIGSYS.
const Killed Filtered = "SIGSYS"

// PortRule refuses a range of ports, or lets it pass.
type PortRule struct {
	// Allow says that it lets them pass. Rules that do so count before those that
	// refuse.
	Allow bool
	// IPv is 4 or 6, and Network "tcp" or "udp"; 0 and "" stand for both.
	IPv         int
	Network     string
	First, Last int
}

// HiddenFolder is a folder, or a file, over which something else is mounted.
type HiddenFolder struct {
	// By is the setting, and Except what is visible below the folder all the same.
	By, Folder string
	Except     []string
}

// Hides returns what hides an absolute path, or nil.
func (s *Sandbox) Hides(name string) *HiddenFolder {
	for i := range s.Hidden {
		h := &s.Hidden[i]
		if InFolder(name, h.Folder) && !slices.ContainsFunc(h.Except, func(e string) bool { return InFolder(name, e) }) {
			return h
		}
	}
	return nil
}

// Executable reports whether something can be executed at an absolute path, as far
// as mounts without exec decide.
func (s *Sandbox) Executable(name string) bool {
	not := nearest(name, s.NoExec)
	return not == 0 || not < nearest(name, s.Exec)
}

// MountedNosuid reports whether a program is in a folder that is mounted nosuid. One
// without a folder is assumed to be in /usr/bin.
func (s *Sandbox) MountedNosuid(name string) bool {
	if !strings.Contains(name, "/") {
		name = "/usr/bin/" + name
	}
	return slices.ContainsFunc(s.Nosuid, func(folder string) bool { return InFolder(name, folder) })
}

// nearest returns the length of the longest of the folders that a name lies in; 0 for
// none of them.
func nearest(name string, folders []string) int {
	longest := 0
	for _, folder := range folders {
		if InFolder(name, folder) {
			longest = max(longest, len(path.Clean(folder)))
		}
	}
	return longest
}

// InFolder reports whether an absolute path is a folder, or lies below it.
func InFolder(name, folder string) bool {
	name, folder = path.Clean(name), path.Clean(folder)
	return folder == "/" || name == folder || strings.HasPrefix(name, folder+"/")
}

// Families reports whether an address needs IPv4 or IPv6; where it is of both, either
// will do: a listener on all addresses is made with what there is.
func (l Listen) Families() (v4, v6 bool) {
	host := l.Address
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case strings.HasSuffix(l.Network, "4"), err == nil && addr.Is4():
		return true, false
	case strings.HasSuffix(l.Network, "6"), err == nil && addr.Is6() && !addr.IsUnspecified():
		return false, true
	default:
		return true, true
	}
}

// PortRefused reports whether a rule refuses an address.
func (s *Sandbox) PortRefused(l Listen) bool {
	refused := false
	for _, r := range s.Ports {
		if !r.matches(l) {
			continue
		}
		if r.Allow {
			return false
		}
		refused = true
	}
	return refused
}

func (r PortRule) matches(l Listen) bool {
	v4, v6 := l.Families()
	family := r.IPv == 0 || r.IPv == 4 && v4 || r.IPv == 6 && v6
	network := r.Network == "" || strings.HasPrefix(l.Network, r.Network)
	return family && network && r.First <= l.Port && l.Port <= r.Last
}
