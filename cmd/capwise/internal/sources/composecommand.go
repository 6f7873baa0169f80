package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// composeCommand reads a command line of docker compose: up and the like mean services of
// its files, and run means one, with changes.
func (o Options) composeCommand(_ string, l line) ([]Found, error) {
	c := composeLine{options: o}
	if err := c.global(l.args[1:]); err != nil {
		return nil, err
	}
	switch c.verb {
	case "up", "create", "start", "restart", "config", "convert":
		c.services = operands(c.rest, composeUpValues)
	case "run":
		if err := c.run(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("compose %s: want up or run: %w", c.verb, ErrNotUnderstood)
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
	verb     string
	rest     []string
	services []string
	// What run changes.
	user       string
	entrypoint []string
	args       []string
}

// composeUpValues is the options of up and its like that take a value.
const composeUpValues = "--exit-code-from -t --timeout --scale --attach --no-attach --pull --wait-timeout -p --progress --format -o --output"

// global reads the options before the verb.
func (c *composeLine) global(args []string) error {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			c.verb, c.rest = args[i], args[i+1:]
			return nil
		}
		takes := slices.Contains(strings.Fields("-f --file -p --project-name --profile --env-file --project-directory --progress --ansi --parallel"), name)
		if takes && !given {
			if i+1 == len(args) {
				return fmt.Errorf("%s: no value: %w", name, ErrNotUnderstood)
			}
			i++
			value = args[i]
		}
		switch name {
		case "-f", "--file":
			c.files = append(c.files, value)
		case "--profile":
			c.options.Profiles = append(slices.Clone(c.options.Profiles), value)
		case "--env-file":
			c.options.EnvFiles = append(slices.Clone(c.options.EnvFiles), value)
		case "--project-directory":
			c.folder = value
		}
	}
	return fmt.Errorf("compose: want up or run: %w", ErrNotUnderstood)
}

// operands returns what is no option.
func operands(args []string, withValue string) []string {
	var out []string
	takes := strings.Fields(withValue)
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains(takes, args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			out = append(out, args[i])
		}
	}
	return out
}

// run reads run [OPTIONS] SERVICE [COMMAND ARGS].
func (c *composeLine) run() error {
	takes := strings.Fields("-u --user --entrypoint -e --env -v --volume -p --publish -w --workdir --name -l --label --cap-add --cap-drop --pull --env-from-file")
	args := c.rest
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, given := strings.Cut(args[0], "=")
		args = args[1:]
		if slices.Contains(takes, name) && !given {
			if len(args) == 0 {
				return fmt.Errorf("run: %s: no value: %w", name, ErrNotUnderstood)
			}
			value, args = args[0], args[1:]
		}
		switch name {
		case "-u", "--user":
			c.user = value
		case "--entrypoint":
			c.entrypoint = strings.Fields(value)
		case "--cap-add", "--cap-drop":
			return fmt.Errorf("run: %s=%s is not followed here; write it into the file: %w", name, value, ErrNotUnderstood)
		}
	}
	if len(args) == 0 {
		return fmt.Errorf("run: no service: %w", ErrNotUnderstood)
	}
	c.services = args[:1]
	if len(args) > 1 {
		c.args = args[1:]
	}
	return nil
}

// findFiles looks for the files that compose takes where none is named.
func (c *composeLine) findFiles() error {
	if len(c.files) > 0 {
		return nil
	}
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"} {
		path := filepath.Join(c.folder, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		c.files = []string{path}
		base, ext := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		if override := filepath.Join(c.folder, base+".override"+ext); exists(override) {
			c.files = append(c.files, override)
		}
		return nil
	}
	return fmt.Errorf("no compose.yaml and no docker-compose.yml here, and no -f FILE: %w", ErrNotUnderstood)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// found reads the files, and leaves the services that are meant.
func (c *composeLine) found() ([]Found, error) {
	starts, err := c.options.composeStarts(nil, c.files)
	if err != nil {
		return nil, err
	}
	var out []Found
	for i := range starts {
		s := &starts[i]
		if len(c.services) > 0 && !slices.Contains(c.services, s.Name) {
			continue
		}
		if c.user != "" {
			s.Request.User = c.user
		}
		if c.entrypoint != nil {
			s.Request.Entrypoint, s.Request.Args = c.entrypoint, []string{}
		}
		if c.args != nil {
			s.Request.Args = c.args
		}
		out = append(out, Found{Start: s})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no service %s", strings.Join(c.files, ", "), strings.Join(c.services, ", "))
	}
	return c.options.resolveAll(out)
}
