package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/image/shell"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/internal/limit"
)

// The flags of docker compose, and of docker-compose and podman-compose where they have
// others: before the verb, of run, and of up, create, start, restart and config.
var (
	composeGlobal = flags.New(`ansi c:context env-file f:file H:host in-pod parallel pod-args podman-args podman-path
		podman-run-args profile progress project-directory p:project-name tlscacert tlscert tlskey workdir`,
		`all-resources compatibility dry-run help no-ansi no-cleanup tls tlsverify verbose v:version`,
		"up", "run", "create", "start", "restart", "config", "convert")
	composeRun = flags.New(`cap-add cap-drop entrypoint e:env env-from-file l:label name pull p:publish u:user v:volume w:workdir`,
		`build d:detach dry-run i:interactive no-deps quiet quiet-build quiet-pull remove-orphans rm P:service-ports T:no-TTY t:tty use-aliases`)
	composeUp = flags.New(`attach exit-code-from format hash no-attach o:output pull scale t:timeout wait-timeout`,
		`abort-on-container-exit abort-on-container-failure always-recreate-deps attach-dependencies build d:detach dry-run
		environment force-recreate images menu models networks no-build no-color no-consistency no-deps no-env-resolution
		no-interpolate no-log-prefix no-normalize no-path-resolution no-recreate no-start profiles q:quiet quiet-build
		quiet-pull remove-orphans V:renew-anon-volumes resolve-image-digests services timestamps variables volumes wait
		w:watch y:yes`)
)

// composeCommand reads a command line of docker compose: up and the like mean services of
// its files, and run means one, with changes.
func (o Options) composeCommand(_ string, l line) ([]Found, error) {
	c := composeLine{options: o}
	verb, rest, err := c.global(l.args[1:])
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	switch verb {
	case "up", "create", "start", "restart", "config", "convert":
		var p flags.Line
		if p, err = composeUp.ParseAll(rest); err == nil {
			c.services, c.notes = append(p.Rest, p.Behind...), append(c.notes, p.Notes...)
		}
	case "run":
		err = c.run(rest)
	default:
		return nil, fmt.Errorf("compose %s: want up or run: %w", verb, ErrNotUnderstood)
	}
	if err != nil {
		return nil, fmt.Errorf("compose %s: %w", verb, err)
	}
	if err := c.findFiles(); err != nil {
		return nil, err
	}
	return c.found()
}

// composeLine is a command line of docker compose.
type composeLine struct {
	options  Options
	files    []string
	folder   string // of the project; "" for that of the caller
	services []string
	notes    []string
}

// global reads the options before the verb.
func (c *composeLine) global(args []string) (verb string, rest []string, err error) {
	p, err := composeGlobal.Parse(args)
	if err != nil {
		return "", nil, err
	}
	if len(p.Rest) == 0 {
		return "", nil, fmt.Errorf("want up or run: %w", ErrNotUnderstood)
	}
	c.files, c.folder, c.notes = p.Options["file"], p.Options.Last("project-directory"), p.Notes
	c.options.Profiles = slices.Concat(c.options.Profiles, p.Options["profile"])
	c.options.EnvFiles = slices.Concat(c.options.EnvFiles, p.Options["env-file"])
	return p.Rest[0], p.Rest[1:], nil
}

// run reads run [OPTIONS] SERVICE [COMMAND ARGS].
func (c *composeLine) run(args []string) error {
	p, err := composeRun.Parse(args)
	if err != nil {
		return err
	}
	if len(p.Rest) == 0 {
		return fmt.Errorf("no service: %w", ErrNotUnderstood)
	}
	c.services, c.notes = p.Rest[:1], append(c.notes, p.Notes...)
	run := compose.Run{
		Service: p.Rest[0], User: p.Options.Last("user"), CapAdd: p.Options["cap-add"], CapDrop: p.Options["cap-drop"], Ports: p.Options["publish"],
	}
	if p.Options.Has("entrypoint") {
		text := p.Options.Last("entrypoint")
		words, ok := shell.Split(text)
		if !ok && text != "" {
			return fmt.Errorf("--entrypoint=%s: want one simple command: %w", text, ErrNotUnderstood)
		}
		run.Entrypoint = append([]string{}, words...)
	}
	if len(p.Rest) > 1 {
		run.Args = p.Rest[1:]
	}
	c.options.run = &run
	return nil
}

// findFiles looks for the files that compose takes where none is named.
func (c *composeLine) findFiles() error {
	if len(c.files) > 0 {
		return nil
	}
	if c.files = composeFilesIn(c.folder); len(c.files) == 0 {
		return fmt.Errorf("no compose.yaml and no docker-compose.yml here, and no -f FILE: %w", ErrNotUnderstood)
	}
	return nil
}

// composeFilesIn returns the files that compose reads in a folder where none is named.
func composeFilesIn(folder string) []string {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"} {
		path := filepath.Join(folder, name)
		if !exists(path) {
			continue
		}
		base, ext := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		if override := filepath.Join(folder, base+".override"+ext); exists(override) {
			return []string{path, override}
		}
		return []string{path}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// found reads the files, and leaves the services that are meant.
func (c *composeLine) found() ([]Found, error) {
	if err := limit.Includes.Within("-f", int64(len(c.files))); err != nil {
		return nil, err
	}
	var data []byte
	if c.files[0] == "-" {
		var err error
		if data, err = read("-", os.Stdin); err != nil {
			return nil, err
		}
	}
	starts, err := c.options.composeStarts(data, c.files)
	if err != nil {
		return nil, err
	}
	var out []Found
	for i := range starts {
		if s := &starts[i]; len(c.services) == 0 || slices.Contains(c.services, s.Name) {
			out = append(out, Found{Start: s})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no service %s", strings.Join(c.files, ", "), strings.Join(append(c.services, c.notes...), ", "))
	}
	for _, note := range c.notes {
		out[0].Note(note)
	}
	return c.options.resolveAll(out)
}
