package kernelcheck

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
)

// findKernel finds out what differs between kernels by letting this one do what
// shows it.
func (c *checker) findKernel() (k law.Kernel, err error) {
	plainFile, err := c.shelf.put(program{})
	if err != nil {
		return k, err
	}
	capable, err := c.shelf.put(program{file: file{caps: filecap.Caps{Revision: filecap.V2, Permitted: universe}}})
	if err != nil {
		return k, err
	}
	if k.SuidDumpable, err = suidDumpable(); err != nil {
		return k, err
	}
	p, err := c.shelf.enterRoom(inInitial)
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, p.leave()) }()

	k.Known = known(p.own)

	// Whether an effective id that already differs from the real one counts as
	// a change shows in whether the ambient set is cleared.
	ambient := space{uids: [][4]uint32{{user, other, other, other}}}.at(0)
	for _, set := range []*uint64{&ambient.Creds.Permitted, &ambient.Creds.Inheritable, &ambient.Creds.Ambient, &ambient.Creds.Bounding} {
		*set = uint64(universe)
	}
	after, err := p.one(ambient, plainFile)
	if err != nil {
		return k, err
	}
	if after.Ambient == 0 {
		k.SetID = law.SetIDByReal
	}
	ambient.Creds.Ambient, ambient.Creds.Inheritable, ambient.Creds.Permitted = 0, 0, 0
	after, err = p.one(ambient, capable)
	k.NoFileCaps = err == nil && after.Permitted == 0
	return k, err
}

// known is the capabilities that the kernel knows.
func known(s state) capset.Set { return capset.Set(1)<<(s.LastCap+1) - 1 }

// one executes a program from a start that must be legal.
func (p *process) one(w wish, path string) (creds, error) {
	replies, err := p.ask(w, []arg{execution{path: path}.arg()})
	if err != nil {
		return creds{}, err
	}
	if r := replies[0]; r.Status != compare || r.Errno != 0 {
		return creds{}, fmt.Errorf("the kernel refuses what needs no more than root: status %d, errno %d, from %v", r.Status, r.Errno, w.Creds)
	}
	return replies[0].After.Creds, nil
}

// Release is the release of the running kernel, uname(2).
func Release() string {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		return "of unknown release"
	}
	var b strings.Builder
	for _, c := range name.Release {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// suidDumpable reads the sysctl fs.suid_dumpable.
func suidDumpable() (uint8, error) {
	text, err := os.ReadFile("/proc/sys/fs/suid_dumpable")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	return uint8(n), err
}
