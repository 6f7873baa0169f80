package engine

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Caller is who runs the command. The zero value is root.
type Caller struct {
	// Rootless says that the engine runs as an ordinary user.
	Rootless bool
	// UID and GID are that user's, which --userns=keep-id keeps.
	UID, GID uint32
	// Version is the engine's, "" if not known.
	Version string
	// PortStart is net.ipv4.ip_unprivileged_port_start of the host, which a rootless
	// engine needs for what it publishes; 0 stands for the kernel's default.
	PortStart int
}

// Parse reads a command line as root gives it, such as "docker", "run",
// "--cap-drop=ALL", "caddy". The first argument is the command, of which only
// the base name counts.
func Parse(args []string) (scenario.Start, error) { return Caller{}.Parse(args) }

// Parse reads a command line of this caller.
func (c Caller) Parse(args []string) (scenario.Start, error) {
	if len(args) > 0 && path.Base(args[0]) == "sudo" {
		c, args = Caller{Version: c.Version}, args[1:]
	}
	if len(args) == 0 {
		return scenario.Start{}, fmt.Errorf("no command: want docker run or podman run")
	}
	name := path.Base(args[0])
	k := &container{caller: c, start: &scenario.Start{}}
	k.start.Settings.Runtime.Version = c.Version
	var global, run flags.Syntax
	switch name {
	case "docker":
		k.start.Syntax, k.start.Settings.Runtime.Name = scenario.DockerRun, scenario.Docker
		global, run = dockerGlobal, dockerRun
	case "podman":
		k.start.Syntax, k.start.Settings.Runtime.Name = scenario.PodmanRun, scenario.Podman
		global, run = podmanGlobal, podmanRun
	default:
		return scenario.Start{}, fmt.Errorf("%q is neither docker nor podman", args[0])
	}
	if err := k.read(global, run, args[1:]); err != nil {
		return scenario.Start{}, fmt.Errorf("%s: %w", name, err)
	}
	return *k.start, nil
}

// container is one start in the making.
type container struct {
	caller  Caller
	start   *scenario.Start
	options flags.Options
}

// note adds a line to the start's notes.
func (k *container) note(format string, args ...any) { k.start.Note(fmt.Sprintf(format, args...)) }

func (k *container) isPodman() bool { return k.start.Syntax == scenario.PodmanRun }

// read fills the start from the arguments behind the engine's name.
func (k *container) read(global, run flags.Syntax, args []string) error {
	p, err := global.Parse(args)
	if err != nil {
		return err
	}
	k.start.Notes = p.Notes
	verb, args := p.Rest, p.Rest
	if len(args) > 0 && args[0] == "container" {
		args = args[1:]
	}
	if len(args) == 0 || args[0] != "run" && args[0] != "create" {
		want := "run or create"
		if len(args) > 0 && args[0] == "compose" {
			want += "; what compose starts is in its file"
		}
		return fmt.Errorf("%q: want %s", strings.Join(verb[:min(len(verb), 2)], " "), want)
	}
	if p, err = run.Parse(args[1:]); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	k.start.Notes = append(k.start.Notes, p.Notes...)
	if len(p.Rest) == 0 {
		return fmt.Errorf("%s: no image", args[0])
	}
	k.options = p.Options
	k.program(p.Rest[0], p.Rest[1:])
	for _, part := range []func() error{k.user, k.capabilities, k.security, k.sysctls, k.userNamespace, k.network, k.ports} {
		if err := part(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	}
	RefuseSysctl(k.start)
	return nil
}

// program is what is executed.
func (k *container) program(image string, args []string) {
	r := &k.start.Request
	r.Image = image
	k.start.Name = k.options.Last("name")
	if k.start.Name == "" {
		k.start.Name = image
	}
	if len(args) > 0 {
		r.Args = args
	}
	if k.options.Has("entrypoint") {
		r.Entrypoint = k.entrypoint(k.options.Last("entrypoint"))
		if r.Args == nil {
			r.Args = []string{} // an entrypoint of one's own does without the image's command
		}
	}
	for _, env := range k.options["env"] {
		if value, ok := strings.CutPrefix(env, "PATH="); ok {
			r.Path = value
		}
	}
	if runtime := k.options.Last("runtime"); runtime != "" {
		k.note("--runtime=%s is taken to do as runc does", runtime)
	}
	if on, _ := k.options.Enabled("rootfs"); on {
		k.note("--rootfs: %s is a directory, not an image", image)
	}
}

// entrypoint reads the value of --entrypoint. Podman takes a JSON array too.
func (k *container) entrypoint(value string) []string {
	var list []string
	if k.isPodman() && json.Unmarshal([]byte(value), &list) == nil {
		return list
	}
	if value == "" {
		return []string{}
	}
	return []string{value}
}

// user is whom the program runs as.
func (k *container) user() error {
	user := k.options.Last("user")
	k.start.Request.User = user
	name, group, _ := strings.Cut(user, ":")
	if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
		k.start.Settings.UID = uint32(uid)
	}
	if gid, err := strconv.ParseUint(group, 10, 32); err == nil {
		k.start.Settings.GID = uint32(gid)
	}
	k.groups()
	var err error
	k.start.Request.Init, err = k.options.Enabled("init")
	return err
}

// groups adds the supplementary groups.
func (k *container) groups() {
	for _, value := range k.options["group-add"] {
		list := []string{value}
		if k.isPodman() {
			list = strings.Split(value, ",")
		}
		for _, group := range list {
			if group == "keep-groups" {
				k.note("--group-add=keep-groups: the groups of the caller are not known")
				continue
			}
			k.start.Request.Groups = append(k.start.Request.Groups, group)
		}
	}
}

func (k *container) capabilities() error {
	privileged, err := k.options.Enabled("privileged")
	if err != nil {
		return err
	}
	request := Request{Add: k.options["cap-add"], Drop: k.options["cap-drop"], Privileged: privileged}
	if privileged && len(request.Drop) > 0 {
		k.note("--privileged gives every capability, whatever --cap-drop says")
	}
	return request.Grant(&k.start.Settings)
}

// ports is what the program is expected to listen on.
func (k *container) ports() error {
	for _, value := range k.options["publish"] {
		listens, err := Published(value, "-p "+value)
		if err != nil {
			return fmt.Errorf("-p: %w", err)
		}
		k.listen(listens)
		k.published(value)
	}
	for _, value := range k.options["expose"] {
		listens, err := Exposed(value, "--expose "+value)
		if err != nil {
			return fmt.Errorf("--expose: %w", err)
		}
		k.listen(listens)
	}
	return nil
}

// published notes the port of the host that -p names.
func (k *container) published(value string) {
	spec, protocol, _ := strings.Cut(value, "/")
	parts := strings.Split(spec, ":")
	if len(parts) < 2 || parts[len(parts)-2] == "" {
		return // any that is free
	}
	if first, last, err := scenario.ParsePorts(parts[len(parts)-2]); err == nil {
		k.start.Published = append(k.start.Published, scenario.NewListen(protocol, first, last, "-p "+value))
	}
	k.start.Settings.HostPortStart = k.caller.PortStart
	if k.caller.PortStart == 0 {
		k.start.Settings.HostPortStart = law.DefaultPortStart
	}
}

func (k *container) listen(listens []scenario.Listen) {
	for _, l := range listens {
		k.start.AddListen(l)
	}
}
