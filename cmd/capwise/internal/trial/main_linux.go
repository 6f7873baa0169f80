package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/sys"
)

// planVar holds the plan for the files; the stage gets it on standard input.
const planVar = "CAPWISE_TRIAL_PLAN"

// Main takes over in a copy that [Run] has started, and does not return there.
// In any other process it does nothing.
func Main() {
	var err error
	switch os.Getenv(roleVar) {
	case roleStage:
		err = stage()
	case roleProbe:
		err = probe()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// stage prepares files, mounts and credentials, and executes the first file.
func stage() error {
	runtime.LockOSThread()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if err := p.files(); err != nil {
		return fmt.Errorf("prepare files: %w", err)
	}
	if !p.Spec.ForeignNetwork {
		if err := writePortStart(p.Spec.PortStart); err != nil {
			return err
		}
	}
	if err := p.become(); err != nil {
		return fmt.Errorf("prepare credentials: %w", err)
	}
	return p.execute()
}

// place is where the stage, in its mount namespace, has a file system of its own
// that every user can reach. It ends with the last process in there.
const place = "/tmp"

func path(i int) string { return fmt.Sprintf("%s/program%d", place, i) }

// files makes the files of the chain.
func (p plan) files() error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer func() { _ = self.Close() }() // opened for reading
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("capwise", place, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	for i, f := range p.Spec.Chain {
		if err := f.write(path(i), self); err != nil {
			return err
		}
	}
	if !p.Spec.Nosuid {
		return nil
	}
	return syscall.Mount("", place, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_NOSUID, "")
}

// write makes a copy of the calling program.
func (f File) write(path string, self *os.File) error {
	if _, err := self.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, self)
	if err = errors.Join(err, dst.Close()); err != nil || f.Caps == nil {
		return err
	}
	return sys.SetCapabilityXattr(path, f.Caps)
}

// become gives the calling thread the credentials of the spec. Until the last
// step it keeps every capability, since each step needs one.
func (p plan) become() error {
	t := p.Spec.Task
	if err := sys.SetSecurebits(uint32(cred.NoSetuidFixup | cred.KeepCaps)); err != nil {
		return err
	}
	if err := setIDs(t.UID.Real, t.GID.Real, t.Groups); err != nil {
		return err
	}
	all, err := sys.Capget()
	if err != nil {
		return err
	}
	all.Effective, all.Inheritable = all.Permitted, uint64(t.Inheritable)
	if err := sys.Capset(all); err != nil {
		return err
	}
	for c := range capset.MaxCap + 1 {
		if t.Ambient.Has(c) {
			if err := sys.RaiseAmbient(uint8(c)); err != nil {
				return err
			}
		}
		if !t.Bounding.Has(c) {
			if err := sys.DropFromBoundingSet(uint8(c)); err != nil && !errors.Is(err, syscall.EINVAL) {
				return err
			}
		}
	}
	if err := sys.SetSecurebits(uint32(t.Securebits)); err != nil {
		return err
	}
	if err := sys.Capset(sys.Sets{Permitted: uint64(t.Permitted), Effective: uint64(t.Effective), Inheritable: uint64(t.Inheritable)}); err != nil {
		return err
	}
	if t.NoNewPrivs {
		return sys.SetNoNewPrivs()
	}
	return nil
}

// setIDs changes all threads, of which only the calling one lives on.
func setIDs(uid, gid uint32, groups []uint32) error {
	list := make([]int, len(groups))
	for i, g := range groups {
		list[i] = int(g)
	}
	// In a user namespace of an unprivileged user setgroups is refused; that has
	// no groups either.
	if err := syscall.Setgroups(list); err != nil && !errors.Is(err, syscall.EPERM) {
		return err
	}
	if err := syscall.Setresgid(int(gid), int(gid), int(gid)); err != nil {
		return err
	}
	return syscall.Setresuid(int(uid), int(uid), int(uid))
}

// execute replaces the process by the next file, or reports why it cannot.
func (p plan) execute() error {
	at := p.At
	if uid := p.Spec.Chain[at].UID; uid != nil {
		if err := setIDs(*uid, p.Spec.Task.GID.Real, nil); err != nil {
			return err
		}
	}
	p.At++
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	env := []string{roleVar + "=" + roleProbe, planVar + "=" + string(text)}
	err = syscall.Exec(path(at), []string{"capwise-probe"}, env)
	return report(Result{Failed: at, Errno: errnoName(err)})
}

func report(r Result) error { return json.NewEncoder(os.Stdout).Encode(r) }

func errnoName(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.EPERM):
		return "EPERM"
	case errors.Is(err, syscall.EACCES):
		return "EACCES"
	case errors.Is(err, syscall.EINVAL):
		return "EINVAL"
	default:
		return err.Error()
	}
}

// probe executes the next file, or is the last one and reports.
func probe() error {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv(planVar)), &p); err != nil {
		return err
	}
	if p.At < len(p.Spec.Chain) {
		return p.execute()
	}
	r := Result{Failed: -1}
	var err error
	if r.Sets, err = cred.Current(); err != nil {
		return err
	}
	if r.NoNewPrivs, err = sys.NoNewPrivs(); err != nil {
		return err
	}
	if r.Dumpable, err = sys.Dumpable(); err != nil {
		return err
	}
	for _, l := range p.Spec.Listens {
		r.Binds = append(r.Binds, errnoName(bind(l, p.Spec.Aware)))
	}
	return report(r)
}

// bind opens and closes the address, by the library or by package net.
func bind(l Listen, aware bool) error {
	var closer io.Closer
	var err error
	config := net.ListenConfig{}
	switch {
	case strings.HasPrefix(l.Network, "udp") && aware:
		closer, err = capwise.ListenPacket(l.Network, l.Address)
	case strings.HasPrefix(l.Network, "udp"):
		closer, err = config.ListenPacket(context.Background(), l.Network, l.Address)
	case aware:
		closer, err = capwise.Listen(l.Network, l.Address)
	default:
		closer, err = config.Listen(context.Background(), l.Network, l.Address)
	}
	if err != nil {
		return err
	}
	return closer.Close()
}
