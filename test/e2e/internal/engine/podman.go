package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// Podman is podman with one OCI runtime and storage of its own.
type Podman struct {
	runtime, dir, cgroup string
	client               []string
}

// NewPodman returns an engine for the OCI runtime "runc" or "crun" that keeps
// its state in dir and, with runc, its containers in the cgroup.
func NewPodman(runtime, dir, cgroup string) *Podman {
	return &Podman{runtime: runtime, dir: dir, cgroup: cgroup, client: []string{
		"podman", "--runtime=" + runtime, "--root=" + dir + "/root", "--runroot=" + dir + "/run", "--tmpdir=" + dir + "/tmp",
		"--network-config-dir=" + dir + "/networks", "--cgroup-manager=cgroupfs", "--events-backend=none",
	}}
}

// Name implements Engine.
func (p *Podman) Name() string { return "podman+" + p.runtime }

// Start implements Engine. There is no daemon; but crun needs a mount namespace
// in which cgroups are version 2 only, which a sleeping process holds.
func (p *Podman) Start() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if p.runtime != "crun" {
		return nil
	}
	ready := filepath.Join(p.dir, "ready")
	cmd := exec.Command("unshare", "--mount", "sh", "-ec",
		`umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; : >"$0"; exec sleep infinity`, ready)
	if err := cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			break
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%v: not ready: %w", cmd.Args, err)
		}
	}
	p.client = append([]string{"nsenter", "--target=" + strconv.Itoa(cmd.Process.Pid), "--mount"}, p.client...)
	return nil
}

// Load implements Engine.
func (p *Podman) Load(prog *program.Program) error {
	_, err := run(p.with("load", "--quiet", "--input="+prog.Archive)...)
	return err
}

// Command implements Engine. The limits are the recipe for a machine without
// CAP_SYS_RESOURCE.
func (p *Podman) Command(name string, spec Spec) ([]string, error) {
	extra := []string{"--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none", "--log-driver=none"}
	if p.runtime == "crun" {
		extra = append(extra, "--cgroups=disabled")
	} else {
		extra = append(extra, "--cgroup-parent=/"+p.cgroup)
	}
	spec.Extra = append(extra, spec.Extra...)
	return p.with(container(name, spec)...), nil
}

// NetNS implements Engine.
func (p *Podman) NetNS(name string) (string, error) { return netNS(p.client, name) }

// Remove implements Engine.
func (p *Podman) Remove(name string) error {
	_, err := run(p.with("rm", "--force", "--time=0", name)...)
	return err
}

func (p *Podman) with(args ...string) []string {
	return append(slices.Clip(p.client), args...)
}
