package sources

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/internal/scratch"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/hostfs"
	"github.com/capwise/capwise/scenario/lookup"
	"github.com/capwise/capwise/scenario/oci"
)

// Found is a start, and the container of a pod that it is, if it is one.
type Found struct {
	*scenario.Start
	Container *kubernetes.Container

	source source
	image  *patch.Image // nil where it could not be read
}

// stdinName is what standard input is called in answers and errors.
const stdinName = "standard input"

// Files reads files and folders, whose kinds it finds out; "-" is stdin. Compose files
// are merged, as Compose does it; others stand for themselves.
func (o Options) Files(names []string, stdin io.Reader) ([]Found, error) {
	names, err := inFolders(names)
	if err != nil {
		return nil, err
	}
	var inputs []input
	var merged []string
	for _, name := range names {
		i := o.input(name, stdin)
		if inputs = append(inputs, i); i.kind == kindCompose {
			merged = append(merged, name)
		}
	}
	var found []Found
	for i := range inputs {
		group := names[i : i+1]
		if inputs[i].kind == kindCompose {
			if group, merged = merged, nil; len(group) == 0 {
				continue // it went into the first
			}
		}
		next, err := o.file(&inputs[i], group)
		if err != nil {
			return nil, err
		}
		found = append(found, next...)
	}
	return found, nil
}

// input is a file, and what came of reading it.
type input struct {
	name string
	data []byte
	err  error
	kind kind
	unit bool // it is the name of a unit
}

func (o Options) input(name string, stdin io.Reader) input {
	i := input{name: name}
	i.data, i.err = read(name, stdin)
	if i.unit = o.namesUnit(name, i.data, i.err); !i.unit && i.err == nil {
		i.data = decoded(i.data)
		i.kind = kindOf(name, i.data)
	}
	return i
}

// inFolders puts the files of a folder in its place, by name. A folder may stand for
// something else than its files.
func inFolders(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.IsDir() {
			out = append(out, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, err
		}
		inside, err := inFolder(name, entries)
		if err != nil {
			return nil, err
		}
		if len(inside) == 0 {
			return nil, fmt.Errorf("%s: a folder without manifests, compose files, units or quadlets: %w", name, ErrNotUnderstood)
		}
		out = append(out, inside...)
	}
	return out, limit.Includes.Within("-f", int64(len(out)))
}

// inFolder returns the files of a folder that say what is started. Of compose files those
// count that compose itself would read, if there are such.
func inFolder(name string, entries []os.DirEntry) ([]string, error) {
	var inside []string
	usual := composeFilesIn(name)
	for _, e := range entries {
		path := filepath.Join(name, e.Name())
		switch e.Name() {
		case "Chart.yaml":
			return nil, fmt.Errorf("%s: a Helm chart, of which helm makes the manifests%s: helm template NAME %s | capwise explain -f -: %w", name, inPath("helm"), name, ErrNotUnderstood)
		case "kustomization.yaml", "kustomization.yml", "Kustomization":
			return nil, notYet(kindKustomize, path)
		case "devcontainer.json", ".devcontainer.json": // which names the others
			return []string{path}, nil
		}
		if !e.Type().IsRegular() {
			continue
		}
		switch filepath.Ext(e.Name()) {
		case ".yaml", ".yml":
			if isCompose := strings.Contains(e.Name(), "compose"); !isCompose || len(usual) == 0 || slices.Contains(usual, path) {
				inside = append(inside, path)
			}
		case ".json", ".service", ".container", ".kube":
			inside = append(inside, path)
		}
	}
	if nested := filepath.Join(name, ".devcontainer", "devcontainer.json"); len(inside) == 0 && exists(nested) {
		return []string{nested}, nil
	}
	return inside, nil
}

// file reads a file, or the compose files that are merged.
func (o Options) file(i *input, names []string) (found []Found, err error) {
	from := source{kind: i.kind, text: string(i.data), names: names}
	switch {
	case i.unit:
		from = source{kind: kindUnit, names: names}
		found, err = o.namedUnit(i.name)
	case i.err != nil:
		return nil, i.err
	case o.Policy != nil && i.kind != kindKubernetes:
		return nil, fmt.Errorf("%s: not a Kubernetes manifest; --policy applies only to those", i.name)
	case i.kind == kindCompose:
		found, err = o.compose(i.data, names)
	case i.name == "-":
		found, err = o.ofKind(i.kind, i.data, i.name, stdinName)
	default:
		found, err = o.ofKind(i.kind, i.data, i.name, i.name)
	}
	for n := range found {
		found[n].source = from
	}
	return found, err
}

// ofKind reads a file of a kind other than compose. name is what it is called in errors.
func (o Options) ofKind(k kind, data []byte, path, name string) ([]Found, error) {
	switch k {
	case kindKubernetes:
		found, err := o.kubernetes(data, name)
		if err != nil && isTemplate(data) {
			return nil, notYet(kindUnknown, path)
		}
		return found, err
	case kindOCI:
		return o.bundle(data, path, name)
	case kindUnit:
		return o.unit(data, path)
	case kindQuadlet:
		return o.quadlet(data, name)
	case kindInspect:
		return o.inspect(data, name)
	case kindDevcontainer:
		return o.devcontainer(data, name)
	case kindKustomize:
		return nil, notYet(k, path)
	default:
		if isTemplate(data) {
			return nil, notYet(k, path)
		}
		return nil, notKnown(name, data)
	}
}

// read reads a file, or standard input.
func read(name string, stdin io.Reader) ([]byte, error) {
	if strings.Contains(name, "://") {
		return nil, fmt.Errorf("%s: %w; explain reads files: curl -L %s | capwise explain -f -", name, ErrNotUnderstood, name)
	}
	if name != "-" {
		return plainfile.Read(name, limit.Source)
	}
	data, err := limit.Source.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stdinName, err)
	}
	return data, nil
}

func (o Options) kubernetes(data []byte, name string) ([]Found, error) {
	by := scenario.Containerd
	if o.by != "" {
		by = o.by
	}
	runtime, err := o.runtime(by, true)
	if err != nil {
		return nil, err
	}
	manifest, err := kubernetes.Parse(data, name, runtime)
	if err != nil {
		return nil, err
	}
	if len(manifest.Containers) == 0 {
		return nil, errors.New(strings.Join(append([]string{name + ": contains no Pod and no workload that creates Pods"}, manifest.Notes...), "; "))
	}
	var out []Found
	for i := range manifest.Containers {
		c := &manifest.Containers[i]
		if i == 0 { // they are about the file
			c.Notes = append(c.Notes, manifest.Notes...)
		}
		if o.Policy != nil {
			o.Policy.Admit(c)
		}
		out = append(out, Found{Start: &c.Start, Container: c})
	}
	return o.resolveAll(out)
}

// bundle reads a config.json. Its root file system is found from the file's own
// place.
func (o Options) bundle(data []byte, path, name string) ([]Found, error) {
	s, root, err := oci.Parse(data, name)
	if err != nil {
		return nil, err
	}
	if path == "-" && !filepath.IsAbs(root) {
		root = ""
	}
	if root != "" && !filepath.IsAbs(root) {
		root = filepath.Join(filepath.Dir(path), root)
	}
	if _, err := os.Stat(root); root != "" && err != nil {
		s.Note(fmt.Sprintf("its root file system cannot be read: %v", err))
		root = ""
	}
	if o.Image != "" || root == "" {
		s.Request.Image = "the bundle" // and not the files of this machine
		return o.resolveAll([]Found{{Start: &s}})
	}
	lookup.Resolve(&s, hostfs.New(root), scenario.ImageConfig{}, o.givenFor(&s))
	return []Found{{Start: &s}}, nil
}

// compose reads compose files, and looks up their programs.
func (o Options) compose(data []byte, names []string) ([]Found, error) {
	starts, err := o.composeStarts(data, names)
	if err != nil {
		return nil, err
	}
	return o.found(starts)
}

// composeStarts reads compose files. The library opens them itself, so what came
// through a pipe goes to a file.
func (o Options) composeStarts(data []byte, names []string) (_ []scenario.Start, err error) {
	if info, err := os.Stat(names[0]); names[0] == "-" || err == nil && !info.Mode().IsRegular() {
		dir, err := scratch.Folder("compose")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, dir.Remove()) }()
		names = append([]string{filepath.Join(dir.Name(), stdinName)}, names[1:]...)
		if err := os.WriteFile(names[0], data, 0o600); err != nil {
			return nil, err
		}
	}
	engine, err := o.runtime(scenario.Docker, true)
	if err != nil {
		return nil, err
	}
	if engine.Name != scenario.Docker && engine.Name != scenario.Podman {
		return nil, fmt.Errorf("--runtime-version %q: compose files are run by docker or podman", o.Version)
	}
	return compose.Options{Profiles: o.Profiles, Env: o.Env, EnvFiles: o.EnvFiles, Runtime: engine, Instead: o.instead, Run: o.run, Swarm: o.swarm}.Load(names)
}

// found looks up the programs of starts.
func (o Options) found(starts []scenario.Start) ([]Found, error) {
	var out []Found
	for i := range starts {
		out = append(out, Found{Start: &starts[i]})
	}
	return o.resolveAll(out)
}
