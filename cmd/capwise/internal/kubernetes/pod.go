package kubernetes

import (
	"fmt"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
)

// podReader reads the containers of one pod.
type podReader struct {
	*reader
	template        *corev1.PodTemplateSpec
	name, namespace string
	spec            *yaml.Node // the PodSpec
	path            string     // and where it is in its document
	strict          []error
	first           int // how many containers there were before those of the pod
}

// containers adds every container of the pod.
func (p *podReader) containers() error {
	spec := &p.template.Spec
	for i := range spec.InitContainers {
		if err := p.container(InitContainers, i, &spec.InitContainers[i]); err != nil {
			return err
		}
	}
	for i := range spec.Containers {
		if err := p.container(Containers, i, &spec.Containers[i]); err != nil {
			return err
		}
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		if err := p.container(EphemeralContainers, i, &c); err != nil {
			return err
		}
	}
	return nil
}

// container adds one container.
func (p *podReader) container(list List, i int, c *corev1.Container) error {
	where := scenario.Where{File: p.file, Path: fmt.Sprintf("%s.%s[%d]", p.path, list, i)}
	if node := item(child(p.spec, string(list)), i); node != nil {
		where.Line = node.Line
	}
	s := scenario.Start{Name: p.name + "/" + c.Name, Syntax: scenario.Kubernetes, Where: where}
	s.Settings.Runtime, s.Settings.PortStart = p.runtime, scenario.Unset
	if len(p.reader.containers) == p.first { // they are about the pod
		for _, warning := range p.strict {
			s.Note(warning.Error() + ": kubectl refuses it, and the API server ignores it")
		}
	}
	program(&s, c)
	context := effective(p.template.Spec.SecurityContext, c.SecurityContext)
	if err := isolation(&s, &p.template.Spec); err != nil {
		return fmt.Errorf("line %d: %s: %w", where.Line, s.Name, err)
	}
	identity(&s, &context)
	privileges(&s, &context)
	profiles(&s, &context)
	for j := range c.Ports {
		listen(&s, &c.Ports[j], j)
	}
	p.reader.containers = append(p.reader.containers, Container{
		Start: s, Template: p.template, List: list, Index: i, Namespace: p.namespace,
	})
	return nil
}

// program is what the container executes.
func program(s *scenario.Start, c *corev1.Container) {
	r := &s.Request
	r.Image = c.Image
	r.Entrypoint, r.Args = c.Command, c.Args
	if len(r.Entrypoint) == 0 {
		r.Entrypoint = nil
	}
	switch {
	case len(r.Args) > 0:
	case r.Entrypoint != nil:
		r.Args = []string{} // a command of its own does without the image's arguments
	default:
		r.Args = nil
	}
	for _, env := range c.Env {
		if env.Name == "PATH" {
			r.Path = env.Value
		}
	}
}

// listen adds a port.
func listen(s *scenario.Start, port *corev1.ContainerPort, i int) {
	network := "tcp"
	switch port.Protocol {
	case "", corev1.ProtocolTCP:
	case corev1.ProtocolUDP:
		network = "udp"
	default:
		return // SCTP
	}
	if port.ContainerPort < 1 || port.ContainerPort > 65535 {
		s.Note(fmt.Sprintf("ports[%d].containerPort %d is no port", i, port.ContainerPort))
		return
	}
	s.AddListen(scenario.Listen{
		Network: network, Address: ":" + strconv.Itoa(int(port.ContainerPort)), Port: int(port.ContainerPort),
		From: fmt.Sprintf("ports[%d].containerPort", i),
	})
}

// isolation is the namespaces and sysctls, which the whole pod shares.
func isolation(s *scenario.Start, spec *corev1.PodSpec) error {
	if spec.RuntimeClassName != nil {
		s.Note(fmt.Sprintf("runtimeClassName %s is taken to do as runc does", *spec.RuntimeClassName))
	}
	if spec.HostNetwork {
		s.Settings.Network = scenario.NetworkHost
	}
	s.Settings.UserNamespace = spec.HostUsers != nil && !*spec.HostUsers
	if s.Settings.Runtime.Version != "" {
		refuseUserNamespace(s)
	}
	if s.Settings.UserNamespace && (spec.HostNetwork || spec.HostPID || spec.HostIPC) {
		refuse(s, scenario.CauseInvalidManifest, "the API server accepts hostUsers: false only without hostNetwork, hostPID and hostIPC")
	}
	if spec.SecurityContext == nil {
		return nil
	}
	for _, sysctl := range spec.SecurityContext.Sysctls {
		if err := engine.Sysctl(s, sysctl.Name, sysctl.Value); err != nil {
			return err
		}
	}
	if name := s.Request.NetSysctl; spec.HostNetwork && name != "" {
		refuse(s, scenario.CauseSysctlHostNetwork, fmt.Sprintf("the sysctl %s cannot be set for a pod with hostNetwork", name))
	}
	unsafeSysctls(s, spec.SecurityContext.Sysctls)
	return nil
}

// safeSysctls is what a kubelet allows by default
// (https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/).
var safeSysctls = map[string]bool{
	"kernel.shm_rmid_forced": true, "net.ipv4.ip_local_port_range": true, "net.ipv4.tcp_syncookies": true,
	"net.ipv4.ping_group_range": true, "net.ipv4.ip_unprivileged_port_start": true, "net.ipv4.ip_local_reserved_ports": true,
	"net.ipv4.tcp_keepalive_time": true, "net.ipv4.tcp_fin_timeout": true, "net.ipv4.tcp_keepalive_intvl": true,
	"net.ipv4.tcp_keepalive_probes": true, "net.ipv4.tcp_rmem": true, "net.ipv4.tcp_wmem": true,
}

// unsafeSysctls is for those that a kubelet allows only where its own settings say so,
// which no manifest shows.
func unsafeSysctls(s *scenario.Start, sysctls []corev1.Sysctl) {
	for _, sysctl := range sysctls {
		name := strings.ReplaceAll(sysctl.Name, "/", ".")
		if safeSysctls[name] {
			continue
		}
		s.Unsure(scenario.Unknown{
			Fact: scenario.FactHost, What: "the kubelet's --allowed-unsafe-sysctls", Settle: "kubectl get --raw /api/v1/nodes/NODE/proxy/configz",
			Cases: []scenario.Case{
				{If: "the kubelet allows the unsafe sysctl " + name, Set: func(*scenario.Start) {}},
				{If: "the kubelet does not, as by default", Set: func(s *scenario.Start) {
					refuse(s, scenario.CauseUnsafeSysctl, "the kubelet does not allow the unsafe sysctl "+name+" (SysctlForbidden)")
				}},
			},
		})
		return // one more makes no difference
	}
}

// refuse keeps the first reason.
func refuse(s *scenario.Start, cause scenario.Cause, reason string) {
	if s.Refused == nil {
		s.Refused = &scenario.Refusal{Cause: cause, Reason: reason}
	}
}
