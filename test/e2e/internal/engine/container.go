package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// container turns spec into the options of "run" that Docker and Podman share.
func container(name string, spec Spec) []string {
	args := []string{"run", "--name=" + name, "--cap-drop=ALL"}
	if spec.User != OwnUser {
		args = append(args, "--user="+spec.User+":"+spec.User)
	}
	for _, c := range spec.Add {
		args = append(args, "--cap-add="+c)
	}
	if spec.PortStart != AnyPortStart {
		args = append(args, "--sysctl=net.ipv4.ip_unprivileged_port_start="+strconv.Itoa(spec.PortStart))
	}
	if spec.ReadOnly {
		args = append(args, "--read-only")
	}
	if spec.NoNewPrivs {
		args = append(args, "--security-opt=no-new-privileges")
	}
	if spec.Config != "" {
		args = append(args, "--volume="+spec.Config+":"+spec.Config+":ro")
	}
	args = append(args, spec.Extra...)
	args = append(args, spec.Program.Ref)
	if spec.Command != nil {
		return append(args, spec.Command...)
	}
	if len(spec.Args) == 0 {
		return args // the image says what to run
	}
	if !spec.Program.IsEntrypoint {
		args = append(args, spec.Program.InImage)
	}
	return append(args, spec.Args...)
}

// netNS asks a docker-like client for the process behind a container.
func netNS(client []string, name string) (string, error) {
	pid, err := run(append(client, "inspect", "--format={{.State.Pid}}", name)...)
	if err != nil {
		return "", err
	}
	if pid == "0" {
		return "", fmt.Errorf("container %s does not run", name)
	}
	return "/proc/" + pid + "/ns/net", nil
}

func isNetworkOption(option string) bool { return strings.HasPrefix(option, "--network=") }
