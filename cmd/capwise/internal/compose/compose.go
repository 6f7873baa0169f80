// Package compose reads compose files. Merging, extends, profiles, includes and
// variables are the affair of the Compose specification's own library; what a
// service's settings mean is that of package engine, which reads Docker's
// command line by the same rules.
package compose

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	yaml "go.yaml.in/yaml/v3"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
)

// Options say how compose files are read.
type Options struct {
	// Profiles are those whose services count, too.
	Profiles []string
	// Env is the variables of the caller that the files may have, NAME=VALUE. The
	// caller's environment is not looked at: files of others would put what is in
	// it into the answer.
	Env []string
	// EnvFiles is files of variables, which the caller names: those then count in the
	// place of the file .env beside the first.
	EnvFiles []string
	// Instead is texts that stand for what files hold, by their names.
	Instead map[string]string
	// Run is what a command line changes in one service; nil for nothing.
	Run *Run
	// Swarm says that docker stack deploy reads the files, which ignores some keys.
	Swarm bool
	// Runtime is what runs the services: docker, or podman, in a version that may be "".
	Runtime scenario.Runtime
}

// Run is what docker compose run, or a devcontainer.json, changes in a service.
type Run struct {
	Service string
	User    string // "" as it is
	// Entrypoint and Args replace the service's; nil leaves them. With an entrypoint the
	// service's command does not count.
	Entrypoint, Args []string
	// CapAdd, CapDrop, SecurityOpt and Ports, in the short form, are added.
	CapAdd, CapDrop, SecurityOpt, Ports []string
	Privileged, Init                    bool
}

// change makes the changes in the service.
func (r *Run) change(c *types.ServiceConfig) {
	if r.User != "" {
		c.User = r.User
	}
	if r.Entrypoint != nil {
		c.Entrypoint, c.Command = r.Entrypoint, nil
	}
	if r.Args != nil {
		c.Command = r.Args
	}
	c.CapAdd, c.CapDrop = append(c.CapAdd, r.CapAdd...), append(c.CapDrop, r.CapDrop...)
	c.SecurityOpt = append(c.SecurityOpt, r.SecurityOpt...)
	c.Privileged = c.Privileged || r.Privileged
	if r.Init {
		c.Init = &r.Init
	}
}

// ignored takes out what a stack ignores (UnsupportedProperties of docker/cli), and names
// the keys.
func ignored(c *types.ServiceConfig) []string {
	var keys []string
	for key, is := range map[string]bool{
		"security_opt": len(c.SecurityOpt) > 0, "userns_mode": c.UserNSMode != "", "network_mode": c.NetworkMode != "", "privileged": c.Privileged,
	} {
		if is {
			keys = append(keys, key)
		}
	}
	c.SecurityOpt, c.UserNSMode, c.NetworkMode, c.Privileged = nil, "", "", false
	slices.Sort(keys)
	return keys
}

// Load reads compose files, of which each is merged into the one before. The
// error names the file. Variables are those of the options, and of the file .env
// beside the first.
func (o Options) Load(files []string) ([]scenario.Start, error) {
	names := strings.Join(files, ", ")
	env, err := look(files, types.NewMapping(o.Env), o.EnvFiles)
	if err != nil {
		return nil, err
	}
	var variables variables
	var warnings warnings
	defer warnings.collect()()
	if o.Instead != nil {
		return o.loadInstead(files, env)
	}
	options, err := cli.NewProjectOptions(files,
		cli.WithName("capwise"), withEnv(env), cli.WithProfiles(o.Profiles),
		cli.WithoutEnvironmentResolution, cli.WithResolvedPaths(false), cli.WithLoadOptions(variables.watch, keepRanges))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names, err)
	}
	starts, err := o.starts(files, project, &warnings, &variables)
	if err == nil && len(starts) == 0 {
		err = fmt.Errorf("%s: no services, or none without a profile", names)
	}
	return starts, err
}

// starts are those of a project's services, with notes about the files on the first.
func (o Options) starts(files []string, project *types.Project, w *warnings, v *variables) ([]scenario.Start, error) {
	names := strings.Join(files, ", ")
	lines, texts, err := serviceLines(files)
	if err != nil {
		return nil, err
	}
	about := w.said
	if note := v.note(texts); note != "" {
		about = append(about, note)
	}
	var starts []scenario.Start
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		s, err := o.read(&service)
		if err != nil {
			return nil, fmt.Errorf("%s: service %s: %w", names, name, err)
		}
		s.Where = lines[name]
		s.Where.Path = "services." + name
		for _, note := range about {
			s.Note(note)
		}
		about = nil // it is about the files
		starts = append(starts, s)
	}
	join(starts, project)
	return starts, nil
}

// loadInstead is Load where texts stand for files, without places.
func (o Options) loadInstead(files []string, env types.Mapping) ([]scenario.Start, error) {
	details := types.ConfigDetails{WorkingDir: filepath.Dir(files[0]), Environment: env}
	for _, file := range files {
		f := types.ConfigFile{Filename: file}
		for name, text := range o.Instead {
			if filepath.Clean(name) == filepath.Clean(file) {
				f.Content = []byte(text)
			}
		}
		details.ConfigFiles = append(details.ConfigFiles, f)
	}
	var variables variables
	project, err := loader.LoadWithContext(context.Background(), details, variables.watch, keepRanges, func(l *loader.Options) {
		l.SetProjectName("capwise", true)
		l.Profiles, l.SkipResolveEnvironment, l.ResolvePaths = o.Profiles, true, false
	})
	if err != nil {
		return nil, err
	}
	var starts []scenario.Start
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		s, err := o.read(&service)
		if err != nil {
			return nil, err
		}
		starts = append(starts, s)
	}
	join(starts, project)
	return starts, nil
}

func withEnv(env types.Mapping) cli.ProjectOptionsFn {
	return func(o *cli.ProjectOptions) error {
		o.Environment = env
		return nil
	}
}

// join gives services the network of the service that network_mode names.
func join(starts []scenario.Start, project *types.Project) {
	for i := range starts {
		of, joins := strings.CutPrefix(project.Services[starts[i].Name].NetworkMode, "service:")
		if !joins {
			continue
		}
		at := slices.IndexFunc(starts, func(s scenario.Start) bool { return s.Name == of })
		if at < 0 {
			starts[i].Note(fmt.Sprintf("the network is that of service %s, which is not judged here", of))
			continue
		}
		set, other := &starts[i].Settings, &starts[at].Settings
		set.PortStart = other.PortStart
		if other.Network == scenario.NetworkHost {
			set.Network = scenario.NetworkHost
		}
		starts[i].Note("the network is that of service " + of)
	}
}

// read turns a service into a start.
func (o Options) read(c *types.ServiceConfig) (scenario.Start, error) {
	s := scenario.Start{Name: c.Name, Syntax: scenario.Compose}
	o.adapt(&s, c)
	s.Settings.Runtime = o.Runtime
	s.Settings.PortStart = scenario.Unset
	s.Request = scenario.Request{
		Image: c.Image, Entrypoint: c.Entrypoint, Args: c.Command, User: c.User, Groups: c.GroupAdd,
		Init: c.Init != nil && *c.Init,
	}
	if c.Image == "" && c.Build != nil {
		s.Request.Image = c.Name
		s.Note("the image is built by compose; --image says what is in it")
	}
	if path := c.Environment["PATH"]; path != nil {
		s.Request.Path = *path
	}
	if s.Request.Entrypoint != nil && s.Request.Args == nil {
		s.Request.Args = []string{} // an entrypoint of one's own does without the image's command
	}
	if err := privileges(&s, c); err != nil {
		return s, err
	}
	namespaces(&s, c)
	if err := listens(&s, c); err != nil || o.Run == nil || o.Run.Service != c.Name {
		return s, err
	}
	return s, o.Run.publish(&s)
}

// privileges is cap_add, cap_drop, security_opt and sysctls.
func privileges(s *scenario.Start, c *types.ServiceConfig) error {
	request := engine.Request{Add: c.CapAdd, Drop: c.CapDrop, Privileged: c.Privileged}
	if err := request.Grant(&s.Settings); err != nil {
		return err
	}
	for _, text := range c.SecurityOpt {
		if err := engine.SecurityOption(s, text); err != nil {
			return err
		}
	}
	for name, value := range c.Sysctls {
		if err := engine.Sysctl(s, name, value); err != nil {
			return err
		}
	}
	return nil
}

// publish adds the ports that are published besides the service's own.
func (r *Run) publish(s *scenario.Start) error {
	for _, text := range r.Ports {
		found, err := engine.Published(text, "-p "+text)
		if err != nil {
			return err
		}
		for _, l := range found {
			s.AddListen(l)
		}
	}
	return nil
}

// adapt changes a service as the command line, or a swarm, does.
func (o Options) adapt(s *scenario.Start, c *types.ServiceConfig) {
	if o.Run != nil && o.Run.Service == c.Name {
		o.Run.change(c)
	}
	if !o.Swarm {
		return
	}
	if keys := ignored(c); len(keys) > 0 {
		s.Note("a swarm ignores " + strings.Join(keys, ", "))
	}
}

// namespaces is network_mode and userns_mode.
func namespaces(s *scenario.Start, c *types.ServiceConfig) {
	switch mode, of, _ := strings.Cut(c.NetworkMode, ":"); mode {
	case "host":
		s.Settings.Network = scenario.NetworkHost
	case "service": // see join
		s.Settings.Network = scenario.NetworkJoined
	case "container":
		s.Settings.Network = scenario.NetworkJoined
		s.Note(fmt.Sprintf("the network is that of %s; assuming the engine's default ip_unprivileged_port_start there", of))
	}
	if c.UserNSMode != "" && c.UserNSMode != "host" {
		s.Settings.UserNamespace = true
	}
	engine.RefuseSysctl(s)
}

// listens is ports and expose.
func listens(s *scenario.Start, c *types.ServiceConfig) error {
	for _, p := range c.Ports {
		text := targetOf(&p)
		found, err := engine.Exposed(text, "ports: "+p.Published+":"+text)
		if err != nil {
			return err
		}
		for _, l := range found {
			s.AddListen(l)
		}
	}
	for _, text := range c.Expose {
		found, err := engine.Exposed(text, "expose: "+text)
		if err != nil {
			return err
		}
		for _, l := range found {
			s.AddListen(l)
		}
	}
	return nil
}

// serviceLines finds the line of each service, and the texts in the files. Where several
// files speak of one service, the last has the last word, and is where to change it.
func serviceLines(files []string) (map[string]scenario.Where, texts, error) {
	lines := map[string]scenario.Where{}
	found := texts{whole: true}
	for _, file := range files {
		data, err := plainfile.Read(file, limit.Compose)
		if err != nil {
			return nil, found, err
		}
		var document yaml.Node
		if err := yaml.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
			continue // the library has read it, so it is one that this one does not know
		}
		services := value(document.Content[0], "services")
		for i := 0; services != nil && i+1 < len(services.Content); i += 2 {
			key := services.Content[i]
			lines[key.Value] = scenario.Where{File: filepath.Clean(file), Line: key.Line}
		}
		found.add(document.Content[0])
	}
	return lines, found, nil
}

// value returns what stands behind a key of a mapping, or nil.
func value(mapping *yaml.Node, key string) *yaml.Node {
	at := slices.IndexFunc(mapping.Content, func(n *yaml.Node) bool { return n.Value == key })
	if at < 0 || at+1 >= len(mapping.Content) {
		return nil
	}
	return mapping.Content[at+1]
}
