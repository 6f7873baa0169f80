package refusal

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/environ"
	"github.com/capwise/capwise/internal/sys"
)

// Explain says why a bind of the port was refused to the calling thread with
// EACCES, and what to change. It takes tens of microseconds.
func Explain(port int) string {
	var f facts
	d := details{port: port, uid: os.Geteuid()}
	f.network(&d)
	f.thread()
	f.file(&d)
	f.environment(&d)
	return text(&f, &d)
}

func (f *facts) set(fact int, holds bool) {
	if holds {
		f[fact] = 1
	}
}

func (f *facts) network(d *details) {
	start := 1024 // that of a new network namespace
	value, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		d.start = strings.TrimSpace(string(value))
		start, err = strconv.Atoi(d.start)
	}
	if err != nil {
		d.start = "1024 by default"
	}
	f.set(isLow, d.port < start)
	fd, err := syscall.Open("/proc/thread-self/ns/net", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return // the owner is unknown
	}
	owns, err := sys.OwnsNamespaceOf(fd)
	switch {
	case err != nil: // unknown
	case owns:
		f[isOwner] = 1
	default:
		f[isOwner] = 2
	}
	_ = syscall.Close(fd) // opened for reading
}

// thread asks for what the thread has. What cannot be had counts as not there.
func (f *facts) thread() {
	const netBindService = 10
	sets, err := sys.Capget()
	f.set(isPermitted, err == nil && sets.Permitted>>netBindService&1 != 0)
	bounding, err := sys.InBoundingSet(netBindService)
	f.set(isBounding, err == nil && bounding)
	noNewPrivs, err := sys.NoNewPrivs()
	f.set(isNoNewPrivs, err == nil && noNewPrivs)
	mode, err := sys.SeccompMode()
	f.set(isSeccomp, err == nil && mode != 0)
	bits, err := sys.Securebits()
	f.set(isNoRoot, err == nil && bits&1 != 0) // SECBIT_NOROOT
	f.set(isRoot, os.Geteuid() == 0)
}

func (f *facts) file(d *details) {
	const (
		exe      = "/proc/self/exe"
		stNosuid = 2 // ST_NOSUID of statvfs(3)
	)
	d.executable, _ = os.Readlink(exe)
	var attribute [32]byte // more than any revision needs
	n, err := syscall.Getxattr(exe, "security.capability", attribute[:])
	if err == nil {
		f.attribute(d, attribute[:n])
	} else {
		f.set(isForeign, err == syscall.EOVERFLOW) // a root id without a number here
	}
	var mount syscall.Statfs_t
	f.set(isNosuid, syscall.Statfs(exe, &mount) == nil && mount.Flags&stNosuid != 0)
}

// attribute reads struct vfs_ns_cap_data of <linux/capability.h>.
func (f *facts) attribute(d *details, b []byte) {
	const revision2, revision3 = 20, 24 // their sizes
	if len(b) != revision2 && len(b) != revision3 {
		return
	}
	d.carried = uint64(binary.LittleEndian.Uint32(b[4:])) | uint64(binary.LittleEndian.Uint32(b[12:]))<<32
	const netBindService = 1 << 10
	f.set(isEffective, b[0]&1 != 0)
	f.set(isCarried, d.carried&netBindService != 0)
	f.set(isOthers, d.carried&^netBindService != 0)
	f.set(isForeign, len(b) == revision3 && binary.LittleEndian.Uint32(b[20:]) != 0)
}

func (f *facts) environment(d *details) {
	here := environ.Here()
	for i, p := range environments {
		if p == here {
			f[isEnvironment] = uint8(i)
		}
	}
	d.wrapper = environ.Wrapper()
	f.set(isWrapped, d.wrapper != "")
}
