package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// roleVar names the environment variable that tells a copy what it is.
const roleVar = "CAPWISE_TRIAL"

const (
	roleStage = "stage" // prepares the credentials, then executes the first file
	roleProbe = "probe" // is one of the files
)

// plan is what the copies need to know; they get it in their environment.
type plan struct {
	Spec Spec
	At   int // which file of the chain comes next
}

// timeout is how long a trial may take: it only executes and binds.
const timeout = 20 * time.Second

// Unprivileged reports whether the trial has to make do with a user namespace,
// in which only one user has an id: the caller is not root, or is root where
// there are hardly any other ids. There, what is tried is [Ordinary].
func Unprivileged() bool { return os.Geteuid() != 0 || mappedIDs() < idRange }

// idRange is how many ids a trial wants, for any ordinary user.
const idRange = 1 << 16

// mappedIDs returns how many user ids there are in the caller's user namespace.
func mappedIDs() int {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0
	}
	ids := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if n, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
			ids += n
		}
	}
	return ids
}

// Ordinary returns what can stand for a task in a user namespace with only root:
// root to whom the securebit noroot gives nothing.
func Ordinary(t law.Task) law.Task {
	if t.UID.Real == 0 {
		return t
	}
	as := law.User(0, 0, t.Bounding)
	as.Sets, as.NoNewPrivs = t.Sets, t.NoNewPrivs
	as.Securebits = t.Securebits | cred.NoRoot
	return as
}

// Available returns the capabilities that a trial can give: those in the
// caller's bounding set, or all that the kernel knows in a user namespace.
func Available() (capset.Set, error) {
	if Unprivileged() {
		return capset.All, nil
	}
	c, err := cred.Current()
	return c.Bounding, err
}

// Run tries the spec. The error is about the trial, not about its outcome.
func Run(s Spec) (Result, error) { return plan{Spec: s}.start() }

// start runs the stage in namespaces of its own.
func (p plan) start() (Result, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return Result{}, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+roleStage)
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = p.attributes()
	timer := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := p.output(cmd)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		return Result{}, fmt.Errorf("trial: it needs root, or user namespaces, which this machine refuses: %w", err)
	}
	if err != nil {
		return Result{}, fmt.Errorf("trial: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var r Result
	if err := json.Unmarshal(out, &r); err != nil {
		return Result{}, fmt.Errorf("trial: it said %q: %w", out, err)
	}
	return r, nil
}

// attributes is the namespaces. A network namespace is owned by the user
// namespace in which it is made.
func (p plan) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if !p.Spec.ForeignNetwork {
		attr.Cloneflags |= syscall.CLONE_NEWNET
	}
	if !Unprivileged() && !p.Spec.ForeignNetwork {
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	size := 1
	if !Unprivileged() {
		size = idRange
	}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: size}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: size}}
	attr.GidMappingsEnableSetgroups = !Unprivileged()
	return attr
}

// output runs the command from a thread whose network namespace is another than
// the process's, if the spec wants one that belongs to somebody else.
func (p plan) output(cmd *exec.Cmd) ([]byte, error) {
	if !p.Spec.ForeignNetwork {
		return cmd.Output()
	}
	if Unprivileged() {
		return nil, errors.New("a network that belongs to another user namespace takes root to make")
	}
	type result struct {
		out []byte
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its namespace
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		if err := writePortStart(p.Spec.PortStart); err != nil {
			done <- result{nil, err}
			return
		}
		out, err := cmd.Output()
		done <- result{out, err}
	}()
	r := <-done
	return r.out, r.err
}

func writePortStart(n int) error {
	return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte(strconv.Itoa(n)), 0)
}
