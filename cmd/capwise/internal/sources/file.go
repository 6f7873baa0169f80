package sources

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
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
}

// stdinName is what standard input is called in answers and errors.
const stdinName = "standard input"

// Files reads files whose kind it finds out; "-" is stdin. Compose files are
// merged, as Compose does it; of another kind there is one.
func (o Options) Files(names []string, stdin io.Reader) ([]Found, error) {
	data, err := read(names[0], stdin)
	if len(names) == 1 && o.namesUnit(names[0], data, err) {
		return o.namedUnit(names[0])
	}
	if err != nil {
		return nil, err
	}
	k := kindOf(data)
	if len(names) > 1 && k != kindCompose {
		return nil, fmt.Errorf("%s: only compose files are merged: want one file", names[0])
	}
	if o.Policy != nil && k != kindKubernetes {
		return nil, fmt.Errorf("%s: not a Kubernetes manifest; --policy applies only to those", names[0])
	}
	name := names[0]
	if name == "-" {
		name = stdinName
	}
	switch k {
	case kindKubernetes:
		return o.kubernetes(data, name)
	case kindCompose:
		return o.compose(data, names)
	case kindOCI:
		return o.bundle(data, names[0], name)
	case kindUnit:
		return o.unit(data, names[0])
	default:
		return nil, fmt.Errorf("%s: neither a Kubernetes manifest nor a compose file, a unit or an OCI config.json", name)
	}
}

// read reads a file, or standard input.
func read(name string, stdin io.Reader) ([]byte, error) {
	if name != "-" {
		return plainfile.Read(name, limit.Source)
	}
	data, err := limit.Source.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stdinName, err)
	}
	return data, nil
}

type kind int

const (
	kindUnknown kind = iota
	kindKubernetes
	kindCompose
	kindUnit
	kindOCI
)

// kindOf tells the kinds apart by a line that each must have.
func kindOf(data []byte) kind {
	found := kindUnknown
	for line := range bytes.Lines(data) {
		switch line = bytes.TrimRight(line, " \t\r\n"); {
		case bytes.HasPrefix(line, []byte("apiVersion:")), bytes.Contains(line, []byte(`"apiVersion":`)):
			return kindKubernetes
		case bytes.Contains(line, []byte(`"ociVersion"`)):
			return kindOCI
		case bytes.HasPrefix(line, []byte("services:")):
			found = kindCompose
		case bytes.HasPrefix(line, []byte("[Service]")), bytes.HasPrefix(line, []byte("[Unit]")):
			return kindUnit
		}
	}
	return found
}

func (o Options) kubernetes(data []byte, name string) ([]Found, error) {
	runtime, err := o.runtime(scenario.Containerd, true)
	if err != nil {
		return nil, err
	}
	manifest, err := kubernetes.Parse(data, name, runtime)
	if err != nil {
		return nil, err
	}
	if len(manifest.Containers) == 0 {
		return nil, errors.New(name + ": contains no Pod and no workload that creates Pods")
	}
	var out []Found
	for i := range manifest.Containers {
		c := &manifest.Containers[i]
		c.Notes = append(c.Notes, manifest.Notes...)
		if o.Policy != nil {
			o.Policy.Admit(c)
		}
		out = append(out, Found{&c.Start, c})
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

// compose reads compose files. The library opens them itself, so what came
// through a pipe goes to a file.
func (o Options) compose(data []byte, names []string) (_ []Found, err error) {
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
	starts, err := compose.Options{Profiles: o.Profiles, Env: o.Env, Runtime: engine}.Load(names)
	if err != nil {
		return nil, err
	}
	return o.found(starts)
}

// found looks up the programs of starts.
func (o Options) found(starts []scenario.Start) ([]Found, error) {
	var out []Found
	for i := range starts {
		out = append(out, Found{Start: &starts[i]})
	}
	return o.resolveAll(out)
}
