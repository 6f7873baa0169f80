package diagnose

import (
	"bytes"
	"os"
	"strconv"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/environ"
	"github.com/capwise/capwise/internal/execfile"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/law"
)

// Self collects the facts about the calling thread, its program and its
// network namespace. It never fails: what cannot be read is named in Unknown.
// It reads /proc and takes tens of microseconds, so it is for failures and
// reports, not for every bind.
func Self() Facts {
	c := collector{Facts{UID: os.Geteuid(), NetworkOwner: OwnerUnknown, PortStart: law.DefaultPortStart}}
	c.network()
	c.thread()
	c.file()
	c.environment()
	return c.facts
}

// collector fills Facts, and notes what could not be had.
type collector struct{ facts Facts }

// have reports whether err is nil, and otherwise notes that fact is unknown.
func (c *collector) have(fact string, err error) bool {
	if err != nil {
		c.facts.Unknown = append(c.facts.Unknown, fact)
	}
	return err == nil
}

func (c *collector) network() {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	var n int
	if err == nil {
		n, err = strconv.Atoi(string(bytes.TrimSpace(text)))
	}
	if c.have(factPortStart, err) {
		c.facts.PortStart = n
	}
	owns, err := sys.OwnsNamespace("/proc/thread-self/ns/net")
	if c.have("network_owner", err) {
		c.facts.NetworkOwner = OwnerForeign
		if owns {
			c.facts.NetworkOwner = OwnerSelf
		}
	}
}

func (c *collector) thread() {
	sets, err := cred.Current()
	if c.have("capabilities", err) {
		c.facts.Permitted, c.facts.Effective, c.facts.Bounding = sets.Permitted, sets.Effective, sets.Bounding
	}
	nnp, err := sys.NoNewPrivs()
	if c.have("no_new_privs", err) {
		c.facts.NoNewPrivs = nnp
	}
	mode, err := sys.SeccompMode()
	if c.have("seccomp", err) {
		c.facts.Seccomp = mode
	}
	bits, err := sys.Securebits()
	if c.have("securebits", err) {
		c.facts.NoRoot = bits&int(cred.NoRoot) != 0
	}
}

func (c *collector) file() {
	const exe = "/proc/self/exe"
	if name, err := os.Readlink(exe); c.have("executable", err) {
		c.facts.Executable = name
	}
	file, err := execfile.Read(exe)
	if !c.have("file", err) {
		return
	}
	c.facts.FileForeign, c.facts.Nosuid = file.Foreign, file.Nosuid
	if file.HasCaps() {
		c.facts.File = &file.Caps
	}
}

func (c *collector) environment() {
	c.facts.Environment = environ.Here()
	c.facts.Wrapper = environ.Wrapper()
}
