package sources

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/scenario"
)

// Found is a start, and the container of a pod that it is, if it is one.
type Found struct {
	*scenario.Start
	Container *kubernetes.Container
}

// most is how much is read of a file that describes starts.
const most = 64 << 20

// File reads a file whose kind it finds out; "-" is stdin.
func (o Options) File(name string, stdin io.Reader) ([]Found, error) {
	data, err := read(name, stdin)
	if err != nil {
		return nil, err
	}
	if name == "-" {
		name = "standard input"
	}
	switch kind(name, data) {
	case kindKubernetes:
		return o.kubernetes(data, name)
	default:
		return nil, fmt.Errorf("%s: neither a Kubernetes manifest nor a compose file, a unit or an OCI config.json", name)
	}
}

func read(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // opened for reading
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s: more than %d MiB", name, most>>20)
	}
	return data, err
}

type fileKind int

const (
	kindUnknown fileKind = iota
	kindKubernetes
	kindCompose
	kindUnit
	kindOCI
)

// kind tells the kinds apart by a line that each must have.
func kind(_ string, data []byte) fileKind {
	found := kindUnknown
	for line := range bytes.Lines(data) {
		switch line = bytes.TrimRight(line, " \t\r\n"); {
		case bytes.HasPrefix(line, []byte("apiVersion:")), bytes.Contains(line, []byte(`"apiVersion":`)):
			return kindKubernetes
		case bytes.Contains(line, []byte(`"ociVersion"`)):
			return kindOCI
		case bytes.Equal(line, []byte("services:")):
			found = kindCompose
		case bytes.HasPrefix(line, []byte("[Service]")), bytes.HasPrefix(line, []byte("[Unit]")):
			return kindUnit
		}
	}
	return found
}

func (o Options) kubernetes(data []byte, name string) ([]Found, error) {
	runtime := scenario.Runtime{Name: scenario.Containerd}
	manifest, err := kubernetes.Parse(data, name, runtime)
	if err != nil {
		return nil, err
	}
	if len(manifest.Containers) == 0 {
		return nil, errors.New(name + ": no pod and nothing that makes pods in it")
	}
	var out []Found
	for i := range manifest.Containers {
		c := &manifest.Containers[i]
		c.Notes = append(c.Notes, manifest.Notes...)
		if err := o.setVersion(&c.Start); err != nil {
			return nil, err
		}
		if o.Policy != nil {
			o.Policy.Admit(c)
		}
		if err := o.Resolve(&c.Start); err != nil {
			return nil, err
		}
		out = append(out, Found{&c.Start, c})
	}
	return out, nil
}
