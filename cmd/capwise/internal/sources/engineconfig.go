package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/unit"
)

// inspected is a container as docker inspect and podman inspect show it.
type inspected struct {
	Name, ImageName string
	Config          struct {
		Image, User  string
		Entrypoint   words
		Cmd          words
		ExposedPorts map[string]any
		Env          []string
	}
	HostConfig struct {
		CapAdd, CapDrop, SecurityOpt, GroupAdd []string
		Privileged                             bool
		NetworkMode, UsernsMode                string
		Init                                   *bool
		Sysctls                                map[string]string
		PortBindings                           map[string][]struct{ HostIP, HostPort string } //nolint:tagliatelle // as Docker writes it
	}
}

// words is a list, or what Podman shows of it: one text.
type words []string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *words) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*w = strings.Fields(text)
		return nil
	}
	return json.Unmarshal(data, (*[]string)(w))
}

// inspect reads what docker inspect or podman inspect prints: it is judged as the run
// that makes such a container.
func (o Options) inspect(data []byte, name string) ([]Found, error) {
	var list []inspected
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' { // of docker inspect --format '{{json .}}'
		data = slices.Concat([]byte("["), text, []byte("]"))
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	as := scenario.Docker
	if bytes.Contains(data, []byte(`"OCIRuntime"`)) || bytes.Contains(data, []byte(`"ImageName"`)) {
		as = scenario.Podman
	}
	var out []Found
	for i := range list {
		c := &list[i]
		if c.Config.Image == "" && c.ImageName == "" {
			return nil, fmt.Errorf("%s: object %d is no container: %w; of an image, use --image with a docker run command", name, i+1, ErrNotUnderstood)
		}
		s, err := o.engineCommand(as, append([]string{string(as), "run"}, c.arguments()...), line{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.Where.File = name
		if c.Config.Entrypoint != nil {
			s.Request.Entrypoint = c.Config.Entrypoint
		}
		out = append(out, Found{Start: &s})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no container in it: %w", name, ErrNotUnderstood)
	}
	return o.resolveAll(out)
}

// arguments are those of run that make such a container.
func (c *inspected) arguments() []string {
	h := &c.HostConfig
	args := []string{"--name=" + strings.TrimPrefix(c.Name, "/")}
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				args = append(args, "--"+flag+"="+v)
			}
		}
	}
	add("cap-add", h.CapAdd...)
	add("cap-drop", h.CapDrop...)
	add("security-opt", h.SecurityOpt...)
	add("group-add", h.GroupAdd...)
	add("user", c.Config.User)
	if h.NetworkMode == "host" || strings.HasPrefix(h.NetworkMode, "container:") {
		add("network", h.NetworkMode)
	}
	add("userns", h.UsernsMode)
	for key, value := range h.Sysctls {
		add("sysctl", key+"="+value)
	}
	if h.Privileged {
		args = append(args, "--privileged")
	}
	if h.Init != nil && *h.Init {
		args = append(args, "--init")
	}
	add("publish", c.published()...)
	if len(h.PortBindings) == 0 {
		add("expose", slices.Collect(maps.Keys(c.Config.ExposedPorts))...)
	}
	for _, env := range c.Config.Env {
		if strings.HasPrefix(env, "PATH=") {
			add("env", env)
		}
	}
	slices.Sort(args[1:])
	image := c.Config.Image
	if c.ImageName != "" {
		image = c.ImageName
	}
	return append(append(args, "--", image), c.Config.Cmd...)
}

// published are the values of -p.
func (c *inspected) published() []string {
	var out []string
	for port, bindings := range c.HostConfig.PortBindings {
		for _, b := range bindings {
			out = append(out, strings.TrimPrefix(b.HostPort+":"+port, ":"))
		}
	}
	return out
}

// devcontainer is what matters of a devcontainer.json.
type devcontainer struct {
	Name, Image, ContainerUser, RemoteUser, Service string
	Build                                           *struct{ Dockerfile string }
	DockerComposeFile                               any
	RunArgs, CapAdd, SecurityOpt                    []string
	Privileged, Init                                bool
	ForwardPorts, AppPort                           any
}

// devcontainer reads a devcontainer.json.
func (o Options) devcontainer(data []byte, name string) ([]Found, error) {
	var d devcontainer
	if err := json.Unmarshal(withoutComments(data), &d); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if d.DockerComposeFile != nil {
		return o.devcompose(&d, name)
	}
	args := append([]string{"docker", "run"}, d.RunArgs...)
	for _, c := range d.CapAdd {
		args = append(args, "--cap-add="+c)
	}
	for _, s := range d.SecurityOpt {
		args = append(args, "--security-opt="+s)
	}
	if d.Privileged {
		args = append(args, "--privileged")
	}
	if d.Init {
		args = append(args, "--init")
	}
	if d.ContainerUser != "" {
		args = append(args, "--user="+d.ContainerUser)
	}
	for _, port := range append(portsOf(d.ForwardPorts), portsOf(d.AppPort)...) {
		args = append(args, "--expose="+port)
	}
	image := d.Image
	if image == "" {
		image = "devcontainer" // which is built
	}
	s, err := o.engineCommand(scenario.Docker, append(args, "--", image), line{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.Name, s.Where.File = d.Name, name
	if s.Name == "" {
		s.Name = filepath.Base(filepath.Dir(name))
	}
	if d.RemoteUser != "" && d.RemoteUser != d.ContainerUser {
		s.Note("this is about the container itself; what your editor starts in it runs as " + d.RemoteUser)
	}
	return o.resolveAll([]Found{{Start: &s}})
}

// devcompose reads a devcontainer.json that names compose files, with what it changes in
// the service that it names.
func (o Options) devcompose(d *devcontainer, name string) ([]Found, error) {
	list, ok := d.DockerComposeFile.([]any)
	if !ok {
		list = []any{d.DockerComposeFile}
	}
	var files []string
	for _, v := range list {
		file, ok := v.(string)
		if !ok || file == "" {
			return nil, fmt.Errorf("%s: dockerComposeFile: want names of files: %w", name, ErrNotUnderstood)
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		files = append(files, file)
	}
	if err := limit.Includes.Within("dockerComposeFile", int64(len(files))); err != nil {
		return nil, err
	}
	if len(files) == 0 || name == stdinName {
		return nil, fmt.Errorf("%s: its containers are described by compose files: %w; give those (-f)", name, ErrNotUnderstood)
	}
	o.run = &compose.Run{Service: d.Service, CapAdd: d.CapAdd, SecurityOpt: d.SecurityOpt, Privileged: d.Privileged, Init: d.Init}
	return o.compose(nil, files)
}

// portsOf are the numbers in a list of ports, some of which may be "HOST:PORT".
func portsOf(value any) []string {
	list, ok := value.([]any)
	if !ok && value != nil {
		list = []any{value}
	}
	var out []string
	for _, v := range list {
		switch p := v.(type) {
		case float64:
			out = append(out, strconv.Itoa(int(p)))
		case string:
			out = append(out, p[strings.LastIndexByte(p, ':')+1:])
		}
	}
	return out
}

// withoutComments makes JSON of JSON with comments and commas before a bracket.
func withoutComments(data []byte) []byte {
	var out []byte
	for i := 0; i < len(data); i++ {
		rest := data[i:]
		switch {
		case data[i] == '"':
			n := 1
			for n < len(rest) && rest[n] != '"' {
				if rest[n] == '\\' {
					n++
				}
				n++
			}
			end := min(n+1, len(rest))
			out = append(out, rest[:end]...)
			i += end - 1
		case bytes.HasPrefix(rest, []byte("//")):
			for i < len(data) && data[i] != '\n' {
				i++
			}
			i--
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return out
			}
			i += n + 1
		case data[i] == '}' || data[i] == ']':
			trimmed := bytes.TrimRight(out, " \t\r\n")
			if len(trimmed) > 0 && trimmed[len(trimmed)-1] == ',' {
				out = trimmed[:len(trimmed)-1]
			}
			out = append(out, data[i])
		default:
			out = append(out, data[i])
		}
	}
	return out
}

// quadletFlags is the keys of a section [Container] that are options of podman run with
// the same values (podman-systemd.unit(5)).
var quadletFlags = map[string]string{
	"AddCapability": "cap-add", "DropCapability": "cap-drop", "User": "user", "UserNS": "userns", "Network": "network",
	"PublishPort": "publish", "ExposeHostPort": "expose", "Sysctl": "sysctl", "Entrypoint": "entrypoint", "GroupAdd": "group-add",
	"UIDMap": "uidmap", "GIDMap": "gidmap", "SubUIDMap": "subuidname", "SubGIDMap": "subgidname", "ContainerName": "name", "Pod": "pod",
	"Environment": "env",
}

// quadlet reads a .container file, which is judged as the podman run that Podman's
// generator makes of it, or a .kube file, which names a manifest.
func (o Options) quadlet(data []byte, name string) ([]Found, error) {
	file := unit.File{Name: name, Text: string(data)}
	if kube, err := unit.Section(file, "Kube"); err == nil && len(kube["Yaml"]) > 0 {
		o.by = scenario.Podman
		manifest := kube["Yaml"][len(kube["Yaml"])-1]
		if !filepath.IsAbs(manifest) {
			manifest = filepath.Join(filepath.Dir(name), manifest)
		}
		return o.Files([]string{manifest}, os.Stdin)
	}
	container, err := unit.Section(file, "Container")
	if err != nil {
		return nil, err
	}
	if len(container["Image"]) == 0 && len(container["Rootfs"]) == 0 {
		return nil, fmt.Errorf("%s: it has no section [Container] with Image=, and starts nothing by itself: %w", name, ErrNotUnderstood)
	}
	if err := errors.Join(quadletKeys(container), quadletSpecifiers(container)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	args, err := quadletArguments(container)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s, err := o.engineCommand(scenario.Podman, args, line{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.Where.File = name
	if len(container["ContainerName"]) == 0 {
		s.Name = filepath.Base(name)
	}
	return o.resolveAll([]Found{{Start: &s}})
}

// quadletLists is the keys of which one line has several words.
var quadletLists = map[string]bool{"AddCapability": true, "DropCapability": true, "Sysctl": true, "Environment": true}

// quadletOthers is the keys of a section [Container] besides [quadletFlags]
// (podman-systemd.unit(5) of Podman 5.6).
const quadletOthers = `AddDevice AddHost Annotation AutoUpdate CgroupsMode ContainersConfModule DNS DNSOption DNSSearch EnvironmentFile
	EnvironmentHost Exec GlobalArgs Group HealthCmd HealthInterval HealthLogDestination HealthMaxLogCount HealthMaxLogSize
	HealthOnFailure HealthRetries HealthStartPeriod HealthStartupCmd HealthStartupInterval HealthStartupRetries
	HealthStartupSuccess HealthStartupTimeout HealthTimeout HostName HttpProxy Image IP IP6 Label LogDriver LogOpt Mask Memory Mount
	NetworkAlias NoNewPrivileges Notify PidsLimit PodmanArgs Pull ReadOnly ReadOnlyTmpfs ReloadCmd ReloadSignal Retry RetryDelay
	Rootfs RunInit SeccompProfile Secret SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelNested
	SecurityLabelType ServiceName ShmSize StartWithPod StopSignal StopTimeout Timezone Tmpfs Ulimit Unmask VolatileTmp
	Volume WorkingDir RemapGid RemapUid RemapUidSize RemapUsers ServiceName AppArmor`

// quadletKeys refuses a key that Podman's generator does, if it is nearly one that it
// knows: it then makes no unit at all. Others may be newer than the list.
func quadletKeys(c map[string][]string) error {
	known := strings.Fields(quadletOthers)
	for key := range quadletFlags {
		known = append(known, key)
	}
	slices.Sort(known)
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if slices.Contains(known, key) {
			continue
		}
		if near := flags.Nearest(key, known); near != "" {
			return fmt.Errorf("unknown key %s=; did you mean %s=?", key, near)
		}
	}
	return nil
}

// quadletSpecifiers puts in place of the specifiers of systemd.unit(5) what they stand for
// in a unit of this user's manager, in values that are about users; others stay.
func quadletSpecifiers(c map[string][]string) error {
	name := "root"
	if uid := os.Geteuid(); uid != 0 {
		name = strconv.Itoa(uid)
	}
	fill := strings.NewReplacer("%%", "\x00", "%U", strconv.Itoa(os.Geteuid()), "%G", strconv.Itoa(os.Getegid()), "%u", name, "%g", name)
	for _, key := range []string{"User", "Group", "UserNS", "GroupAdd"} {
		for i, value := range c[key] {
			filled := fill.Replace(value)
			if strings.Contains(filled, "%") {
				return fmt.Errorf("%s=%s: the specifier is not followed here: %w", key, value, ErrNotUnderstood)
			}
			c[key][i] = strings.ReplaceAll(filled, "\x00", "%")
		}
	}
	return nil
}

// quadletArguments are those of podman run.
func quadletArguments(c map[string][]string) ([]string, error) {
	options, err := quadletOptions(c)
	if err != nil {
		return nil, err
	}
	last := func(key string) string {
		if v := c[key]; len(v) > 0 {
			return v[len(v)-1]
		}
		return ""
	}
	if group := last("Group"); group != "" && last("User") != "" {
		options = append(options, "--user="+last("User")+":"+group)
	}
	slices.Sort(options)
	for _, more := range c["PodmanArgs"] {
		list, err := unit.Words(more)
		if err != nil {
			return nil, fmt.Errorf("key PodmanArgs=%s: %w", more, err)
		}
		options = append(options, list...)
	}
	image := last("Image")
	if image == "" {
		image = last("Rootfs")
	}
	command, err := unit.Words(last("Exec"))
	if err != nil {
		return nil, fmt.Errorf("key Exec=%s: %w", last("Exec"), err)
	}
	return slices.Concat([]string{"podman", "run"}, options, []string{"--", image}, command), nil
}

// quadletOptions are the options of podman run that single keys stand for.
func quadletOptions(c map[string][]string) ([]string, error) {
	var options []string
	for key, flag := range quadletFlags {
		for _, value := range c[key] {
			list := []string{value}
			if quadletLists[key] {
				var err error
				if list, err = unit.Words(value); err != nil {
					return nil, fmt.Errorf("key %s=%s: %w", key, value, err)
				}
			}
			for _, v := range list {
				options = append(options, "--"+flag+"="+v)
			}
		}
	}
	for key, option := range map[string]string{"NoNewPrivileges": "--security-opt=no-new-privileges", "RunInit": "--init"} {
		if v := c[key]; len(v) > 0 && slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(v[len(v)-1])) {
			options = append(options, option)
		}
	}
	return options, nil
}
