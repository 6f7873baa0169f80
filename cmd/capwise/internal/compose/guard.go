package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	yaml "go.yaml.in/yaml/v3"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
)

// guard looks at the files that compose files name before the library opens them
// itself: it would wait for a FIFO and read a device to its end. What a file
// is taken to name is more than it does: whatever stands below the keys that name
// files, seen from every folder that it may be relative to.
type guard struct {
	project string // folder of the first file
	env     types.Mapping
	seen    map[string]bool
}

// look looks at all files that compose files name. It returns the variables, with
// those of the project's .env.
func look(files []string, env types.Mapping, envFiles []string) (types.Mapping, error) {
	g := guard{project: filepath.Dir(files[0]), env: env}
	for _, path := range slices.Backward(envFiles) { // the last one counts
		if err := merge(env, path); err != nil {
			return nil, err
		}
	}
	if len(envFiles) == 0 {
		if err := g.dotEnv(env); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		if err := g.file(file, true); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// file looks at a compose file, and at those that it names. One that must be
// there is an error if it is not.
func (g *guard) file(name string, must bool) error {
	path := filepath.Clean(name)
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	if g.seen[path] {
		return nil
	}
	data, err := plainfile.Read(path, limit.Compose)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return nil // the library says so, if it is what it looks for
	case err != nil:
		return err
	}
	g.seen[path] = true
	if err := limit.Includes.Within(name, int64(len(g.seen))); err != nil {
		return err
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return nil //nolint:nilerr // the library says what is wrong with it
		}
		w := names{found: map[string]bool{}, env: map[string]bool{}, seen: map[place]bool{}}
		w.walk(&document, "")
		if err := g.named(filepath.Dir(path), &w); err != nil {
			return err
		}
	}
}

// named looks at what a file in a folder names.
func (g *guard) named(dir string, w *names) error {
	for text := range w.found {
		for _, path := range g.places(dir, text) {
			info, err := plainfile.Stat(path)
			switch {
			case missing(err):
				continue // it is not this one
			case err != nil:
				return err
			case info.IsDir():
				err = g.variablesIn(filepath.Join(path, ".env"))
			default:
				err = errors.Join(g.file(path, false), g.variablesIn(filepath.Join(filepath.Dir(path), ".env")))
			}
			if err != nil {
				return err
			}
		}
	}
	for text := range w.env {
		for _, path := range g.places(dir, text) {
			if err := g.variablesIn(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// missing reports whether an error says that nothing is at a path, or can be.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}

// places are where a name may lead.
func (g *guard) places(dir, text string) []string {
	if value, err := substitute(text, g.env.Resolve); err == nil {
		text = value
	}
	if filepath.IsAbs(text) {
		return []string{text}
	}
	return []string{filepath.Join(dir, text), filepath.Join(g.project, text)}
}

// variablesIn looks at a file of variables. Their values are put into the answer, so
// that they have to be the project's own.
func (g *guard) variablesIn(path string) error {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil //nolint:nilerr // it is not there
	}
	project, err := filepath.EvalSymlinks(g.project)
	if err != nil {
		return err
	}
	inside, err := relative(project, resolved)
	if err != nil {
		return err
	}
	if !inside && resolved != "/dev/null" {
		return fmt.Errorf("%s: variables are read from files of the project alone, in %s; --env NAME=VALUE gives one", path, g.project)
	}
	if resolved == "/dev/null" {
		return nil
	}
	info, err := plainfile.Stat(resolved)
	if err != nil || info.IsDir() {
		return err
	}
	_, err = plainfile.Read(resolved, limit.Compose)
	return err
}

// relative reports whether a path is below a folder.
func relative(folder, path string) (bool, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return false, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../"), err
}

// dotEnv adds the variables of the project's .env, below those that are there.
func (g *guard) dotEnv(env types.Mapping) error {
	path := filepath.Join(g.project, ".env")
	info, err := plainfile.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = g.variablesIn(path)
	}
	if err != nil {
		return err
	}
	return merge(env, path)
}

// merge adds what a file of variables has, and is not there.
func merge(env types.Mapping, path string) error {
	data, err := plainfile.Read(path, limit.Compose)
	if err != nil {
		return err
	}
	values, err := dotenv.ParseWithLookup(bytes.NewReader(data), env.Resolve)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	env.Merge(values)
	return nil
}

// names collects what stands below the keys that name files.
type names struct {
	found, env map[string]bool
	seen       map[place]bool // aliases, which may be of what they stand in
}

type place struct {
	of    *yaml.Node
	below string
}

func (w *names) walk(n *yaml.Node, below string) {
	switch n.Kind {
	case yaml.AliasNode:
		if at := (place{n.Alias, below}); !w.seen[at] {
			w.seen[at] = true
			w.walk(n.Alias, below)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.walk(n.Content[i+1], keyBelow(n.Content[i].Value, below))
		}
	case yaml.ScalarNode:
		switch below {
		case "include":
			w.found[n.Value] = true
		case "env_file":
			w.env[n.Value] = true
		}
	default:
		for _, c := range n.Content {
			w.walk(c, below)
		}
	}
}

// keyBelow says what a key makes of the values below it.
func keyBelow(key, below string) string {
	switch {
	case key == "include" || key == "extends":
		return "include"
	case key == "env_file" && below == "include":
		return "env_file" // that of a service is not read
	}
	return below
}
