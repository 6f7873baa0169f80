package sources

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/image/shell"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
	"github.com/capwise/capwise/scenario/lookup"
	"github.com/capwise/capwise/scenario/process"
)

// ErrNotUnderstood is what an error wraps if a source is none that is known.
var ErrNotUnderstood = errors.New("not understood")

// line is a command line without what stands before it.
type line struct {
	args []string
	// prefix is what stands before it.
	prefix []string
	// uid is whom the command runs as.
	uid uint32
	gid uint32
}

// Command reads a command line: docker, podman and their like, systemd-run, kubectl, or
// any program of this machine.
func (o Options) Command(args []string) ([]Found, error) {
	if len(args) == 1 && strings.ContainsAny(args[0], " \t\n") {
		words, ok := shell.Split(args[0])
		if !ok || len(words) == 0 {
			return nil, fmt.Errorf("%q: want one simple command: %w", args[0], ErrNotUnderstood)
		}
		args = words
	}
	l := stripped(line{args: args, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())})
	l.prefix = args[:len(args)-len(l.args)]
	if len(l.args) == 0 {
		return nil, fmt.Errorf("%q: no command: %w", strings.Join(args, " "), ErrNotUnderstood)
	}
	name := path.Base(l.args[0])
	if read := commands[name]; read != nil {
		return read(o, name, l)
	}
	if l, is := o.wrapped(l); is {
		name := path.Base(l.args[0])
		return commands[name](o, name, l)
	}
	if at := engineIn(l.args); at > 0 {
		return nil, fmt.Errorf("what %s does with %s is %w; give the %s command alone", name, l.args[at], ErrNotUnderstood, l.args[at])
	}
	s, err := process.Host(args)
	if err != nil {
		return nil, err
	}
	return o.resolveAll([]Found{{Start: &s}})
}

// commands is those that start programs elsewhere than here, or say how.
var commands map[string]func(o Options, name string, l line) ([]Found, error)

func init() { // which refer to each other
	commands = map[string]func(Options, string, line) ([]Found, error){
		"docker": Options.engine, "podman": Options.engine, "podman-remote": Options.engine, "nerdctl": Options.engine,
		"docker-compose": Options.composeCommand, "podman-compose": Options.composeCommand,
		"systemd-run": Options.systemdRunCommand, "kubectl": Options.kubectl, "oc": Options.kubectl,
		"helm": rendered, "kustomize": rendered, "kubeadm": elsewhere, "minikube": elsewhere, "k3s": elsewhere, "crictl": elsewhere, "ctr": elsewhere,
		"finch": elsewhere, "lima": elsewhere, "limactl": elsewhere, "colima": elsewhere, "apptainer": elsewhere, "singularity": elsewhere,
		"systemd-nspawn": elsewhere, "machinectl": elsewhere, "flatpak": elsewhere, "snap": elsewhere, "toolbox": elsewhere, "distrobox": elsewhere,
		"nomad": elsewhere, "kind": elsewhere, "k3d": elsewhere, "microk8s": elsewhere, "multipass": elsewhere, "runc": elsewhere, "crun": elsewhere,
		"lxc": elsewhere, "incus": elsewhere, "buildah": elsewhere, "ansible": elsewhere, "ansible-playbook": elsewhere, "ssh": elsewhere, "vagrant": elsewhere,
	}
}

// wrapped returns the command line that one ends in whose programs execute each other:
// sh -c, timeout, su -c and the like. is says that there is one, and that it is read here.
func (o Options) wrapped(l line) (_ line, is bool) {
	s := scenario.Start{Request: scenario.Request{Entrypoint: l.args}}
	lookup.Resolve(&s, nil, scenario.ImageConfig{}, lookup.Given{Scripts: o.Given.Scripts})
	if len(s.Program.Chain) < 2 {
		return l, false
	}
	last := s.Program.Last()
	if len(last.Args) == 0 || commands[path.Base(last.Args[0])] == nil {
		return l, false
	}
	for i := range s.Program.Chain {
		if sw := s.Program.Chain[i].Switch; sw != nil && sw.UID != nil {
			l.uid, l.gid = *sw.UID, *sw.UID
		}
	}
	before := l.args
	l.args = last.Args
	if n := len(before) - len(last.Args); n > 0 && slices.Equal(before[n:], last.Args) {
		l.prefix = append(slices.Clone(l.prefix), before[:n]...)
	} else {
		l.prefix = nil // it stands inside of a word
	}
	return stripped(l), true
}

// engineIn returns where in the arguments of a program the command of an engine stands;
// 0 for nowhere.
func engineIn(args []string) int {
	verbs := []string{"run", "create", "container", "compose", "up", "apply", "service", "stack", "kube", "play"}
	for i := 1; i+1 < len(args); i++ {
		switch path.Base(args[i]) {
		case "docker", "podman", "podman-remote", "nerdctl", "kubectl", "oc", "docker-compose", "podman-compose":
			if slices.Contains(verbs, args[i+1]) {
				return i
			}
		}
	}
	return 0
}

// elsewhere is a command that starts programs which it does not show.
func elsewhere(_ Options, name string, _ line) ([]Found, error) {
	return nil, fmt.Errorf("what %s starts is not in its command line: %w; want a docker, podman or kubectl run command, a file (-f), or the program itself", name, ErrNotUnderstood)
}

// rendered is a command that prints manifests.
func rendered(_ Options, name string, l line) ([]Found, error) {
	verb := "template NAME CHART"
	if name == "kustomize" {
		verb = "build DIR"
	}
	return nil, fmt.Errorf("%s: %w; have it print the manifests: %s %s | capwise explain -f -", strings.Join(l.args, " "), ErrNotUnderstood, name, verb)
}

// stripped takes off what stands before a command and does not change what it starts:
// variables, env, time, nice and the like; and sudo, which changes who calls it.
func stripped(l line) line {
	for len(l.args) > 0 {
		name := path.Base(l.args[0])
		switch {
		case isAssignment(l.args[0]):
			l.args = l.args[1:]
		case name == "$" || name == "%": // the prompt of a shell
			l.args = l.args[1:]
		case slices.Contains([]string{"time", "nohup", "exec", "command", "setsid", "nice", "ionice", "stdbuf", "chrt", "taskset", "systemd-inhibit"}, name):
			l.args = behind(l.args[1:], "-n", "-c", "-p", "-f", "-o")
		case name == "env":
			l.args = behind(l.args[1:], "-u", "-C", "--unset", "--chdir")
		case name == "sudo", name == "doas":
			l = asOther(l)
		default:
			return l
		}
	}
	return l
}

// isAssignment reports whether a word is NAME=VALUE.
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	letter := func(r rune) bool {
		return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return ok && name != "" && strings.IndexFunc(name, func(r rune) bool { return !letter(r) }) < 0
}

// behind returns what follows options, of which those named take a value.
func behind(args []string, withValue ...string) []string {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		if slices.Contains(withValue, option) && len(args) > 0 {
			args = args[1:]
		}
	}
	return args
}

// asOther takes sudo off, with the user that it changes to.
func asOther(l line) line {
	l.uid, l.gid = 0, 0
	options := l.args[1:]
	l.args = behind(options, "-u", "-g", "-C", "-D", "-h", "-p", "-r", "-t", "-T", "-U", "--user", "--group")
	for i, option := range options[:len(options)-len(l.args)] {
		name, is := strings.CutPrefix(option, "--user=")
		if (option == "-u" || option == "--user") && i+1 < len(options) {
			name, is = options[i+1], true
		} else if short, ok := strings.CutPrefix(option, "-u"); ok && short != "" {
			name, is = short, true
		}
		if is {
			l.uid, l.gid = idsOf(strings.TrimPrefix(name, "#"))
		}
	}
	return l
}

// idsOf looks a user of this machine up; one who is not here is some user.
func idsOf(name string) (uid, gid uint32) {
	const somebody = 1000
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			return uint32(n), uint32(n)
		}
		return somebody, somebody
	}
	n, errUID := strconv.ParseUint(u.Uid, 10, 32)
	m, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		return somebody, somebody
	}
	return uint32(n), uint32(m)
}

func (o Options) systemdRunCommand(_ string, l line) ([]Found, error) {
	s, err := o.systemdRun(l.args, l.uid)
	if err != nil {
		return nil, err
	}
	return o.fromCommand(s, l, l.args)
}

// engine reads a command line of docker, podman and their like.
func (o Options) engine(name string, l line) ([]Found, error) {
	as := scenario.Docker
	if name == "podman" || name == "podman-remote" {
		as = scenario.Podman
	}
	args := append([]string{string(as)}, l.args[1:]...)
	verb, rest, err := engine.Subcommand(args)
	if err != nil {
		return nil, err
	}
	var unknown []string
	switch {
	case verb == "run" || verb == "create":
	case verb == "compose":
		return o.composeCommand(name+" compose", line{args: append([]string{"compose"}, rest...), uid: l.uid, gid: l.gid})
	case verb == "stack" && len(rest) > 0 && rest[0] == "deploy":
		return o.stackDeploy(rest[1:])
	case verb == "service" && len(rest) > 0 && rest[0] == "create":
		run, notes, err := engine.ServiceRun(rest[1:])
		if err != nil {
			return nil, err
		}
		unknown, args = notes, append([]string{"docker", "run"}, run...)
	case as == scenario.Podman && (verb == "kube" || verb == "play") && len(rest) > 1 && (rest[0] == "play" || rest[0] == "kube"):
		return o.kubePlay(rest[1:])
	default:
		return nil, fmt.Errorf("%q: want run, create, compose, service create, stack deploy or kube play: %w", strings.TrimSpace(name+" "+verb), ErrNotUnderstood)
	}
	s, err := o.engineCommand(as, args, l)
	if err != nil {
		return nil, err
	}
	for _, note := range unknown {
		s.Note(note)
	}
	if name == "nerdctl" {
		ofNerdctl(&s)
	}
	return o.fromCommand(s, l, args)
}

// fromCommand looks a program up that a command line starts. args is the command line as
// it was read.
func (o Options) fromCommand(s scenario.Start, l line, args []string) ([]Found, error) {
	found, err := o.resolveAll([]Found{{Start: &s}})
	for i := range found {
		found[i].source = source{command: args, line: l}
	}
	return found, err
}

// engineCommand reads a command line that makes a container.
func (o Options) engineCommand(name scenario.RuntimeName, args []string, l line) (scenario.Start, error) {
	runtime, err := o.runtime(name, false)
	if err != nil {
		return scenario.Start{}, err
	}
	caller := engine.Caller{Version: runtime.Version, PortStart: hostPortStart()}
	if l.uid != 0 && name == scenario.Podman {
		caller.Rootless, caller.UID, caller.GID = true, l.uid, l.gid
	}
	return caller.Parse(args)
}

// ofNerdctl says what is not known of nerdctl, which makes containers by containerd with
// Docker's options: no version of it was recorded.
func ofNerdctl(s *scenario.Start) {
	s.Settings.Runtime = scenario.Runtime{Name: scenario.Containerd, Version: "2.0"}
	s.Note("nerdctl was never tried here; assuming that it gives containers what containerd gives them")
	s.Unsure(scenario.Unknown{
		Fact: scenario.FactRuntime, What: "where unprivileged ports begin in a network that nerdctl makes", Settle: "--sysctl net.ipv4.ip_unprivileged_port_start in the command",
		Cases: []scenario.Case{
			{If: "nerdctl opens ports below 1024 in a network of the container's own", Set: inVersion("2.0")},
			{If: "nerdctl leaves them privileged", Set: inVersion("1.7")},
		},
	})
}

// The flags of podman kube play, and of docker stack deploy.
var (
	kubePlayFlags = flags.New(`annotation authfile cert-dir configmap context-dir creds ip log-driver log-opt mac-address network publish
		seccomp-profile-root userns`, `build force no-hosts no-pod-prefix publish-all q:quiet replace start tls-verify wait w:wait`)
	stackFlags = flags.New("c:compose-file namespace orchestrator resolve-image", "d:detach prune q:quiet with-registry-auth")
)

// kubePlay reads podman kube play FILE.
func (o Options) kubePlay(args []string) ([]Found, error) {
	p, err := kubePlayFlags.ParseAll(args)
	if err != nil {
		return nil, fmt.Errorf("kube play: %w", err)
	}
	if files := append(p.Rest, p.Behind...); len(files) != 1 {
		return nil, fmt.Errorf("kube play: want one file: %w", ErrNotUnderstood)
	}
	if network := p.Options.Last("network"); network == "host" || strings.HasPrefix(network, "container:") || strings.HasPrefix(network, "ns:") {
		return nil, fmt.Errorf("kube play: --network=%s is not followed here; hostNetwork: true in the file is: %w", network, ErrNotUnderstood)
	}
	if userns := p.Options.Last("userns"); userns != "" && userns != "host" {
		return nil, fmt.Errorf("kube play: --userns=%s is not followed here: %w", userns, ErrNotUnderstood)
	}
	o.by = scenario.Podman
	return o.Files(append(p.Rest, p.Behind...), os.Stdin)
}

// stackDeploy reads docker stack deploy -c FILE NAME.
func (o Options) stackDeploy(args []string) ([]Found, error) {
	p, err := stackFlags.ParseAll(args)
	if err != nil {
		return nil, fmt.Errorf("stack deploy: %w", err)
	}
	files := p.Options["compose-file"]
	if len(files) == 0 {
		return nil, fmt.Errorf("stack deploy: want -c FILE: %w", ErrNotUnderstood)
	}
	o.swarm = true
	return o.Files(files, os.Stdin)
}

// inPath names a tool with what it is good for, if it is here.
func inPath(tool string) string {
	if _, err := exec.LookPath(tool); err != nil {
		return ""
	}
	return " (" + tool + " is here)"
}
