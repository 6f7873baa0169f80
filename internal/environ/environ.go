// Package environ tells where a process runs: in a container of which engine, in a
// service, or on a plain host.
package environ

import (
	"github.com/capwise/capwise/scenario"
)

// starts says in which notation a process in the environment is started, and by
// what. The versions are old ones, which leave less to the process.
var starts = map[Environment]struct {
	syntax  scenario.Syntax
	runtime scenario.Runtime
}{
	PlainHost:  {scenario.Host, scenario.Runtime{Name: scenario.Shell}},
	Systemd:    {scenario.Unit, scenario.Runtime{Name: scenario.Systemd}},
	Docker:     {scenario.DockerRun, scenario.Runtime{Name: scenario.Docker, Version: "20.10.24"}},
	Podman:     {scenario.PodmanRun, scenario.Runtime{Name: scenario.Podman}},
	Kubernetes: {scenario.Kubernetes, scenario.Runtime{Name: scenario.Containerd}},
}

// Start returns in which notation a process is started there, and by what.
func (e Environment) Start() (scenario.Syntax, scenario.Runtime) {
	return starts[e].syntax, starts[e].runtime
}
