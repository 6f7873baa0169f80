package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// portStart is the sysctl's name.
const portStart = "net.ipv4.ip_unprivileged_port_start"

// SecurityOption puts what --security-opt=text says into the start.
func SecurityOption(start *scenario.Start, text string) error {
	key, value, given := strings.Cut(text, "=")
	if !given {
		key, value, given = strings.Cut(text, ":") // as Docker once wrote it
	}
	switch key {
	case "no-new-privileges":
		on, err := strconv.ParseBool(value)
		if given && err != nil {
			return fmt.Errorf("security option %q: want no-new-privileges, =true or =false", text)
		}
		start.Settings.NoNewPrivs = on || !given
		if start.Settings.NoNewPrivs && start.Settings.Runtime.Name == scenario.Docker {
			start.Note("a Docker that was installed by snap refuses every program under no-new-privileges (exec: operation not permitted); snap list docker says whether it was")
		}
	case "seccomp", "apparmor":
		if value != "unconfined" && value != "" {
			start.Note(fmt.Sprintf("the %s profile %s is not judged: it may refuse what the kernel's own rules allow", key, value))
		}
	case "label":
		if value != "disable" {
			start.Note(fmt.Sprintf("the SELinux label of %q is not judged", text))
		}
	case "disable", "mask", "unmask", "proc-opts", "systempaths", "writable-cgroups":
	default:
		return unknownOption(text, key)
	}
	return nil
}

// unknownOption is for a security option that the engines refuse (parseSecurityOpt of
// moby's daemon).
func unknownOption(text, key string) error {
	hint := ""
	if near := flags.Nearest(key, securityOptions); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return fmt.Errorf("security option %q: there is no such option%s", text, hint)
}

var securityOptions = []string{
	"no-new-privileges", "seccomp", "apparmor", "label", "disable", "mask", "unmask", "proc-opts", "systempaths", "writable-cgroups",
}

// security is --security-opt.
func (k *container) security() error {
	for _, text := range k.options["security-opt"] {
		if err := SecurityOption(k.start, text); err != nil {
			return err
		}
	}
	return nil
}

// Sysctl puts a setting into the start: the one that says where unprivileged ports
// begin, and whether there is one of the network, which is refused on the host's.
func Sysctl(start *scenario.Start, name, value string) error {
	name = strings.ReplaceAll(name, "/", ".")
	if strings.HasPrefix(name, "net.") && start.Request.NetSysctl == "" {
		start.Request.NetSysctl = name
	}
	if name != portStart {
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return fmt.Errorf("sysctl %s=%s: want a port number", name, value)
	}
	start.Settings.PortStart, start.Settings.SetsPortStart = int(n), true
	return nil
}

func (k *container) sysctls() error {
	k.start.Settings.PortStart = scenario.Unset
	for _, text := range k.options["sysctl"] {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--sysctl=%s: want NAME=VALUE", text)
		}
		if err := Sysctl(k.start, name, value); err != nil {
			return err
		}
	}
	return nil
}

// userNamespace is --userns and the maps.
func (k *container) userNamespace() error {
	s := &k.start.Settings
	mode, argument, _ := strings.Cut(k.options.Last("userns"), ":")
	mapped := k.options.Has("uidmap") || k.options.Has("gidmap") ||
		k.options.Has("subuidname") || k.options.Has("subgidname")
	s.UserNamespace = k.caller.Rootless || mapped
	s.Rootless = k.caller.Rootless
	switch mode {
	case "", "host": // what the daemon's userns-remap changes shows in no command line
	case "private", "auto", "nomap", "ns":
		s.UserNamespace = true
	case "keep-id":
		s.UserNamespace = true
		k.keepID(argument)
	case "container":
		k.note("--userns=container:%s: assuming a user namespace other than the host's", argument)
		s.UserNamespace = true
	default:
		return fmt.Errorf("--userns=%s: want host, private, auto, keep-id, nomap, container:NAME or ns:PATH", mode)
	}
	return nil
}

// keepID makes the caller the user, unless --user names another.
func (k *container) keepID(argument string) {
	uid, gid := k.caller.UID, k.caller.GID
	if !k.caller.Rootless {
		k.note("--userns=keep-id: assuming that an ordinary user runs the command")
		if uid == 0 {
			uid, gid = 1000, 1000
		}
	}
	for option := range strings.SplitSeq(argument, ",") {
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			continue
		}
		switch name {
		case "uid":
			uid = uint32(n)
		case "gid":
			gid = uint32(n)
		}
	}
	if k.options.Last("user") == "" {
		k.start.Request.User = fmt.Sprintf("%d:%d", uid, gid)
		k.start.Settings.UID, k.start.Settings.GID = uid, gid
	}
}

// network is --network and, with Podman, --pod.
func (k *container) network() error {
	s := &k.start.Settings
	value := k.options.Last("network")
	if value == "" {
		value = k.options.Last("net") // the old name
	}
	for field := range strings.SplitSeq(value, ",") {
		if name, ok := strings.CutPrefix(field, "name="); ok {
			value = name // Docker's long form
		}
	}
	mode, argument, _ := strings.Cut(value, ":")
	switch {
	case mode == "host":
		s.Network = scenario.NetworkHost
	case mode == "container" || mode == "ns":
		s.Network = scenario.NetworkJoined
		k.note("the network is that of %s; assuming the engine's default ip_unprivileged_port_start there", argument)
	case k.options.Has("pod") && value == "":
		s.Network = scenario.NetworkJoined
		k.note("the network is that of pod %s; assuming the engine's default ip_unprivileged_port_start there",
			k.options.Last("pod"))
	}
	if k.caller.Rootless && !k.isPodman() {
		k.rootlessDocker()
	}
	return nil
}

// rootlessDocker corrects what is different where the daemon itself lives in a
// user namespace: its containers share it, with a network that belongs to it.
func (k *container) rootlessDocker() {
	s := &k.start.Settings
	if s.Network == scenario.NetworkHost {
		s.Network = scenario.NetworkJoined
		if s.PortStart == scenario.Unset {
			s.PortStart = law.DefaultPortStart
		}
		k.note("--network=host is the network of the rootless daemon, not that of the host")
	}
}

// RefuseSysctl notes that the engine does not start a container at all for
// which a sysctl of the network is to be set, and which has no network of its own.
func RefuseSysctl(start *scenario.Start) {
	if start.Settings.Network == scenario.NetworkHost && start.Request.NetSysctl != "" {
		start.Refused = &scenario.Refusal{
			Cause:  scenario.CauseSysctlHostNetwork,
			Reason: fmt.Sprintf("the sysctl %s cannot be set for a container on the host's network", start.Request.NetSysctl),
		}
	}
}
