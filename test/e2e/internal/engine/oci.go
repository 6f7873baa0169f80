package engine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// OCI is an OCI runtime, started with bundles of our own. The words of spec.Extra
// are sets of capabilities, such as "ambient", that the added ones are in besides
// bounding, permitted and effective; or "users", for a user namespace.
type OCI struct{ runtime, dir, cgroup string }

// NewOCI returns an engine for the OCI runtime that keeps its state in dir and
// its containers in the cgroup.
func NewOCI(runtime, dir, cgroup string) *OCI { return &OCI{runtime, dir, cgroup} }

// Name implements Engine.
func (o *OCI) Name() string { return o.runtime }

// Start implements Engine. There is nothing to start.
func (o *OCI) Start() error { return os.MkdirAll(o.dir, 0o755) }

// rootfs is the root file system of a program.
func (o *OCI) rootfs(p *program.Program) string { return filepath.Join(o.dir, "rootfs", p.Name) }

// Load implements Engine.
func (o *OCI) Load(p *program.Program) error {
	root := o.rootfs(p)
	for _, dir := range []string{"proc", "sys", "dev", "usr/bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	_, err := run("cp", "--archive", p.Path, root+p.InImage)
	return err
}

// Command implements Engine. It writes the bundle, whose config.json is
// [OCI.Config].
func (o *OCI) Command(name string, spec Spec) ([]string, error) {
	config, err := json.MarshalIndent(o.config(name, spec), "", "  ")
	if err != nil {
		return nil, err
	}
	bundle := filepath.Dir(o.Config(name))
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(o.Config(name), config, 0o644); err != nil {
		return nil, err
	}
	return o.with("run", "--bundle", bundle, name), nil
}

// Config is the path of the config.json of what runs under name.
func (o *OCI) Config(name string) string {
	return filepath.Join(o.dir, "bundles", name, "config.json")
}

type object = map[string]any

// config is the content of config.json.
func (o *OCI) config(name string, spec Spec) object {
	caps := object{}
	for _, set := range append([]string{"bounding", "permitted", "effective"}, spec.Extra...) {
		if set != "users" {
			caps[set] = append([]string{}, strings.Fields(prefixed(spec.Add))...)
		}
	}
	namespaces := []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}
	linux := object{"cgroupsPath": "/" + o.cgroup + "/" + name}
	if slices.Contains(spec.Extra, "users") {
		// With the network of whoever starts it, which belongs to another.
		namespaces = append(namespaces, object{"type": "user"})
		maps := []object{{"containerID": 0, "hostID": 0, "size": 1 << 16}}
		linux["uidMappings"], linux["gidMappings"] = maps, maps
	} else {
		namespaces = append(namespaces, object{"type": "network"})
		if spec.PortStart != AnyPortStart {
			linux["sysctl"] = object{"net.ipv4.ip_unprivileged_port_start": strconv.Itoa(spec.PortStart)}
		}
	}
	linux["namespaces"] = namespaces
	args := append([]string{spec.Program.InImage}, spec.Args...)
	if spec.Command != nil {
		args = spec.Command
	}
	id, _ := strconv.Atoi(spec.User) // numbers, in these tests; 0 otherwise
	user := object{"uid": id, "gid": id}
	return object{
		"ociVersion": "1.0.2",
		"process": object{
			"cwd": "/", "args": args, "env": []string{"PATH=/usr/bin"}, "user": user,
			"capabilities": caps, "noNewPrivileges": spec.NoNewPrivs,
		},
		"root": object{"path": o.rootfs(spec.Program), "readonly": spec.ReadOnly},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=755"}},
		},
		"linux": linux,
	}
}

// NetNS implements Engine. Nothing asks for that of a program that only reports.
func (o *OCI) NetNS(string) (string, error) { return "", os.ErrInvalid }

// Remove implements Engine.
func (o *OCI) Remove(name string) error {
	_ = exec.Command(o.runtime, o.with("delete", "--force", name)[1:]...).Run() // it has ended by itself, as a rule
	return os.RemoveAll(filepath.Dir(o.Config(name)))
}

func (o *OCI) with(args ...string) []string {
	return append([]string{o.runtime, "--root", filepath.Join(o.dir, "state")}, args...)
}
