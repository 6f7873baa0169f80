package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// Docker is a dockerd of our own, with bridge networking in the network
// namespace of the caller.
type Docker struct {
	dir, cgroup string
	client      []string
}

// NewDocker returns an engine that keeps its state in dir and its containers
// in the cgroup.
func NewDocker(dir, cgroup string) *Docker {
	return &Docker{dir: dir, cgroup: cgroup, client: []string{"docker", "--host=" + host(dir)}}
}

func host(dir string) string { return "unix://" + dir + "/sock" }

// Host is where it listens, as DOCKER_HOST has it.
func (d *Docker) Host() string { return host(d.dir) }

// Name implements Engine.
func (d *Docker) Name() string { return "docker" }

// Start implements Engine.
func (d *Docker) Start() error {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the daemon has its own descriptor
	cmd := exec.Command("dockerd",
		"--data-root="+d.dir+"/data", "--exec-root="+d.dir+"/exec", "--pidfile="+d.dir+"/pid",
		"--host="+d.Host(), "--cgroup-parent=/"+d.cgroup, "--userland-proxy=false")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err = run(d.with("version")...); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name()) // evidence, if there is any
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, text)
		}
	}
}

// Load implements Engine.
func (d *Docker) Load(p *program.Program) error {
	_, err := run(d.with("load", "--quiet", "--input="+p.Archive)...)
	return err
}

// Command implements Engine. Without a word on it in spec.Extra there is no
// network but loopback.
func (d *Docker) Command(name string, spec Spec) ([]string, error) {
	if !slices.ContainsFunc(spec.Extra, isNetworkOption) {
		spec.Extra = append([]string{"--network=none"}, spec.Extra...)
	}
	return d.with(container(name, spec)...), nil
}

// NetNS implements Engine.
func (d *Docker) NetNS(name string) (string, error) { return netNS(d.client, name) }

// Remove implements Engine.
func (d *Docker) Remove(name string) error {
	_, err := run(d.with("rm", "--force", name)...)
	return err
}

// Address is the host's own on the bridge, where published ports can be reached.
func (d *Docker) Address() (string, error) {
	return run(d.with("network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", "bridge")...)
}

func (d *Docker) with(args ...string) []string {
	return append(slices.Clip(d.client), args...)
}
