package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// versionMark is replaced by the program's version in [Spec.Tag] and in the
// environment and labels of [Spec.Config].
const versionMark = "${VERSION}"

// Spec says what an image is called and how it starts.
type Spec struct {
	// Name is the base name of everything that is written.
	Name string `json:"name"`
	// Tag names the image for engines, like "capwise/caddy:${VERSION}".
	Tag string `json:"tag"`
	// Program is the absolute path of the file that gets the capabilities.
	Program string `json:"program"`
	// Module is the Go module whose version, as the program's build
	// information records it, replaces ${VERSION} (without its leading v).
	Module string `json:"module"`
	// Config is the "config" object of an image configuration.
	Config v1.Config `json:"config"`
}

// ParseSpec reads a Spec as JSON and checks it. Unknown fields are errors, so
// that a misspelt one is not silently without effect.
func ParseSpec(r io.Reader) (Spec, error) {
	var s Spec
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Spec{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Spec{}, errors.New("there is more after the JSON object")
	}
	return s, s.check()
}

func (s Spec) check() error {
	if s.Name == "" || s.Name != path.Base(s.Name) || strings.HasPrefix(s.Name, ".") {
		return fmt.Errorf("name %q cannot be the name of a file", s.Name)
	}
	if !path.IsAbs(s.Program) || path.Clean(s.Program) != s.Program || s.Program == "/" {
		return fmt.Errorf("program %q is not the absolute path of a file", s.Program)
	}
	if s.Module == "" {
		return errors.New("module is empty: it says whose version the image has")
	}
	_, err := name.NewTag(strings.ReplaceAll(s.Tag, versionMark, "1"))
	return err
}

// expand returns the Spec with the version filled in.
func (s Spec) expand(version string) Spec {
	fill := func(text string) string { return strings.ReplaceAll(text, versionMark, version) }
	s.Config = *s.Config.DeepCopy()
	s.Tag = fill(s.Tag)
	for i, e := range s.Config.Env {
		s.Config.Env[i] = fill(e)
	}
	for k, l := range s.Config.Labels {
		s.Config.Labels[k] = fill(l)
	}
	return s
}
