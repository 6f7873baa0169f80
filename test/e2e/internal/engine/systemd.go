package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// Systemd is systemd as PID 1 of namespaces of its own.
type Systemd struct {
	dir, cgroup string
	pid         int
	enter       []string

	mu    sync.Mutex
	paths map[string]string // unit to network namespace
}

// NewSystemd returns an engine that keeps its state in dir and lives in the cgroup.
func NewSystemd(dir, cgroup string) *Systemd {
	return &Systemd{dir: dir, cgroup: cgroup, paths: map[string]string{}}
}

// boot becomes systemd. Its one target wants nothing but the journal and the
// message bus, which systemd-run --wait talks through, and without their usual
// dependencies: the units of a whole boot (udev, sysctl, tmpfiles) would reach
// for the machine. What it and its units write to /run, /tmp and /etc/systemd/system
// is gone with it, and no sysctl can be set. The journal keeps off the kernel's log and audit.
const boot = `
umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /etc/systemd/system
mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys
cd /run; mkdir -p lock systemd/system systemd/journald.conf.d; cd systemd/system
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\n' >../journald.conf.d/alone.conf
wanted='dbus.socket systemd-journald.socket systemd-journald.service'
for unit in dbus.service $wanted; do
	mkdir $unit.d; printf '[Unit]\nDefaultDependencies=no\n' >$unit.d/alone.conf
done
printf '[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\nRequires=%s\nAfter=%s\n' "$wanted" "$wanted" >capwise-e2e.target
cd /
grep -q :65532: /etc/passwd || {
	cp /etc/passwd /run/passwd; echo nonroot:x:65532:65532::/:/usr/sbin/nologin >>/run/passwd; mount --bind /run/passwd /etc/passwd
	cp /etc/group /run/group; echo nonroot:x:65532: >>/run/group; mount --bind /run/group /etc/group
}
container=podman exec /lib/systemd/systemd --system --unit=capwise-e2e.target --show-status=no --log-target=journal`

// Name implements Engine.
func (s *Systemd) Name() string { return "systemd" }

// Start implements Engine.
func (s *Systemd) Start() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // systemd has its own descriptor
	// The inner unshare makes the cgroup that it finds itself in the root of
	// what systemd sees, so that one must be fresh.
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", `
umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$0"; echo $$ >"/sys/fs/cgroup/$0/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --mount-proc --cgroup --uts --ipc sh -ec "$1"`, s.cgroup, boot)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err = s.reach(cmd.Process.Pid); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name()) // evidence, if there is any
			return fmt.Errorf("systemd as PID 1: %w\n%s", err, text)
		}
	}
}

// reach finds systemd, the only child of the unshare with the given pid, and
// asks it whether it is up.
func (s *Systemd) reach(unshare int) error {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", unshare, unshare))
	if err != nil {
		return err
	}
	s.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("children of process %d: %w", unshare, err)
	}
	s.enter = []string{"nsenter", "--target=" + strconv.Itoa(s.pid), "--mount", "--pid", "--ipc", "--uts", "--cgroup"}
	_, err = run(s.with("systemctl", "is-active", "--quiet", "capwise-e2e.target")...)
	return err
}

// Root is the root folder of systemd's mounts, as this process sees it.
func (s *Systemd) Root() string { return fmt.Sprintf("/proc/%d/root", s.pid) }

// Systemctl runs systemctl in there, and returns what it prints on standard output.
func (s *Systemd) Systemctl(args ...string) (string, error) {
	return run(s.with(append([]string{"systemctl"}, args...)...)...)
}

// Load implements Engine: units execute the file where it is.
func (s *Systemd) Load(*program.Program) error { return nil }

// Command implements Engine. Every unit gets a network namespace of its own,
// made here and given by its path, unless spec.Extra says something on networks.
func (s *Systemd) Command(name string, spec Spec) ([]string, error) {
	args := []string{
		"systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--unit=" + name,
		"--property=DefaultDependencies=no", "--property=TimeoutStopSec=5",
		"--setenv=XDG_CONFIG_HOME=" + s.dir, "--setenv=XDG_DATA_HOME=" + s.dir,
		"--property=CapabilityBoundingSet=" + prefixed(spec.Add),
	}
	if spec.User != "0" && spec.User != "" {
		args = append(args, "--property=User="+spec.User)
	}
	if spec.ReadOnly {
		args = append(args, "--property=ProtectSystem=strict")
	}
	if spec.NoNewPrivs {
		args = append(args, "--property=NoNewPrivileges=yes")
	}
	if !slices.ContainsFunc(spec.Extra, func(o string) bool { return strings.HasPrefix(o, "--property=PrivateNetwork=") }) {
		path, err := s.newNetNS(name, spec.PortStart)
		if err != nil {
			return nil, err
		}
		args = append(args, "--property=NetworkNamespacePath="+path)
	}
	args = append(args, spec.Extra...)
	args = append(args, spec.Program.Path)
	return s.with(append(args, spec.Args...)...), nil
}

// newNetNS makes a network namespace and mounts it where systemd sees it.
func (s *Systemd) newNetNS(name string, portStart int) (string, error) {
	if _, err := run(s.with("ip", "netns", "add", name)...); err != nil {
		return "", err
	}
	path := "/run/netns/" + name
	outside := fmt.Sprintf("/proc/%d/root%s", s.pid, path)
	s.mu.Lock()
	s.paths[name] = outside
	s.mu.Unlock()
	if err := netns.LoopbackUp(outside); err != nil {
		return "", err
	}
	if portStart == AnyPortStart {
		return path, nil
	}
	return path, netns.Sysctl(outside, "net.ipv4.ip_unprivileged_port_start="+strconv.Itoa(portStart))
}

// NetNS implements Engine.
func (s *Systemd) NetNS(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, ok := s.paths[name]; ok {
		return path, nil
	}
	return fmt.Sprintf("/proc/%d/ns/net", s.pid), nil
}

// Remove implements Engine.
func (s *Systemd) Remove(name string) error {
	// The unit is gone when it has ended by itself; systemctl then says so.
	_, _ = run(s.with("systemctl", "stop", name+".socket", name+".service")...)
	s.mu.Lock()
	_, ok := s.paths[name]
	delete(s.paths, name)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	_, err := run(s.with("ip", "netns", "delete", name)...)
	return err
}

// Activate lets systemd listen on address, and start spec once somebody connects.
// The unit's name is that of the socket too; both are in PID 1's own network.
// It returns the command line for that, which ends at once.
func (s *Systemd) Activate(name, address string, spec Spec) []string {
	args := []string{
		"systemd-run", "--quiet", "--collect", "--unit=" + name,
		"--socket-property=ListenStream=" + address, "--socket-property=DefaultDependencies=no",
		"--property=DefaultDependencies=no", "--property=TimeoutStopSec=5",
		"--property=CapabilityBoundingSet=" + prefixed(spec.Add), "--property=User=" + spec.User,
	}
	args = append(args, spec.Extra...)
	args = append(args, spec.Program.Path)
	return s.with(append(args, spec.Args...)...)
}

// Journal is what systemd and the unit have to say. The journal is asked by the
// name that messages give, too: the process that fails to execute the program
// is often gone before journald could see what unit it belongs to.
func (s *Systemd) Journal(name string) (string, error) {
	if _, err := run(s.with("journalctl", "--sync")...); err != nil {
		return "", err
	}
	return run(s.with("journalctl", "--output=cat", "UNIT="+name+".service", "+", "_SYSTEMD_UNIT="+name+".service")...)
}

func (s *Systemd) with(args ...string) []string {
	return append(slices.Clip(s.enter), args...)
}

// prefixed spells capabilities as systemd does.
func prefixed(capabilities []string) string {
	var names []string
	for _, c := range capabilities {
		names = append(names, "CAP_"+c)
	}
	return strings.Join(names, " ")
}
