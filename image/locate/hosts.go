package locate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
)

// hosts is how the engines of this machine reach registries: registries.conf(5) of
// Podman and CRI-O, with its folder, and registry-mirrors of Docker's daemon.json(5).
// What cannot be read is as if it were not there.
type hosts struct {
	Unqualified []string `toml:"unqualified-search-registries"`
	Registries  []entry  `toml:"registry"`
	docker      []string // mirrors of docker.io
}

// entry is a table [[registry]].
type entry struct {
	Prefix   string `toml:"prefix"`
	Location string `toml:"location"`
	Blocked  bool   `toml:"blocked"`
	// DigestOnly says that mirrors have names with a digest only.
	DigestOnly bool     `toml:"mirror-by-digest-only"`
	Mirrors    []mirror `toml:"mirror"`
}

type mirror struct {
	Location string `toml:"location"`
	// Pull says for which names: "all", "digest-only" or "tag-only".
	Pull string `toml:"pull-from-mirror"`
}

// configDirs are where the configurations of engines are. Tests change them.
var configDirs = struct{ containers, docker string }{"/etc/containers", "/etc/docker"}

func readHosts() *hosts {
	h := &hosts{}
	home := ""
	if dir, err := os.UserConfigDir(); err == nil {
		home = filepath.Join(dir, "containers")
	}
	for _, dir := range []string{configDirs.containers, home} {
		if dir == "" {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(dir, "registries.conf.d", "*.conf")) // the pattern is sound
		for _, name := range append([]string{filepath.Join(dir, "registries.conf")}, names...) {
			h.add(name)
		}
	}
	var daemon struct {
		Mirrors []string `json:"registry-mirrors"`
	}
	if text, err := plainfile.Read(filepath.Join(configDirs.docker, "daemon.json"), limit.Document); err == nil && json.Unmarshal(text, &daemon) == nil {
		for _, m := range daemon.Mirrors {
			m = strings.TrimPrefix(strings.TrimPrefix(m, "https://"), "http://")
			h.docker = append(h.docker, strings.TrimSuffix(m, "/"))
		}
	}
	return h
}

// add reads a file over those before it.
func (h *hosts) add(name string) {
	text, err := plainfile.Read(name, limit.Document)
	if err != nil {
		return
	}
	var more hosts
	if toml.Unmarshal(text, &more) != nil {
		return
	}
	if more.Unqualified != nil {
		h.Unqualified = more.Unqualified
	}
	h.Registries = append(more.Registries, h.Registries...) // the last file counts first
}

// named is the name of an image in a registry or a mirror.
type named struct{ host, name string }

// names lists the names under which an image is pulled, in the order in which an engine
// tries them, and says why registries are left out.
func (h *hosts) names(image string, own ref.Kind) (out []named, said []string) {
	for _, full := range h.qualified(image, own) {
		names, err := h.mirrored(full, own)
		if err != nil {
			said = append(said, err.Error())
		}
		for _, n := range names {
			if at, err := hostOf(n); err == nil && !slices.Contains(out, named{at, n}) {
				out = append(out, named{at, n})
			}
		}
	}
	return out, said
}

// qualified returns the full names that a name may mean. docker.io/app stands for
// docker.io/library/app, and is looked for in configurations as such.
func (h *hosts) qualified(image string, own ref.Kind) []string {
	first, _, rest := strings.Cut(image, "/")
	if rest && (strings.ContainsAny(first, ".:") || first == "localhost") || own != ref.Podman || len(h.Unqualified) == 0 {
		return []string{store.FullName(image)}
	}
	var out []string
	for _, registry := range h.Unqualified {
		out = append(out, store.FullName(registry+"/"+image))
	}
	return out
}

// mirrored returns the names of an image in mirrors, and its own last. The error says
// why its own is left out.
func (h *hosts) mirrored(image string, own ref.Kind) ([]string, error) {
	host, err := hostOf(image)
	switch {
	case err != nil:
		return nil, err
	case host == "localhost":
		return nil, errors.New("localhost is what Podman calls images that it builds, and no registry")
	case host == dockerHub && own != ref.Podman && len(h.docker) > 0:
		var out []string
		for _, m := range h.docker {
			out = append(out, m+strings.TrimPrefix(image, dockerHub))
		}
		return append(out, image), nil
	}
	e, rest := h.entry(image)
	var out []string
	for _, m := range e.Mirrors {
		if e.pulls(m, image) {
			out = append(out, m.Location+rest)
		}
	}
	switch {
	case e.Blocked:
		return out, fmt.Errorf("registry %s: blocked by registries.conf", host)
	case e.Location != "":
		return append(out, e.Location+rest), nil
	}
	return append(out, image), nil
}

// entry returns the table with the longest prefix of an image's name, and what follows
// the prefix.
func (h *hosts) entry(image string) (best entry, rest string) {
	for _, e := range h.Registries {
		if e.Prefix == "" {
			e.Prefix = e.Location
		}
		if matches(image, e.Prefix) && len(e.Prefix) > len(best.Prefix) {
			best = e
		}
	}
	return best, strings.TrimPrefix(image, best.Prefix)
}

// pulls reports whether a mirror is asked for a name.
func (e *entry) pulls(m mirror, image string) bool {
	digest := strings.Contains(image, "@")
	switch {
	case e.DigestOnly || m.Pull == "digest-only":
		return digest
	case m.Pull == "tag-only":
		return !digest
	}
	return true
}

// matches reports whether a name begins with a prefix of registries.conf, at the end of
// one of its parts. A prefix such as "*.example.com" is left to the engine.
func matches(image, prefix string) bool {
	rest, ok := strings.CutPrefix(image, prefix)
	return ok && prefix != "" && (rest == "" || strings.ContainsAny(rest[:1], "/:@"))
}

// dockerHub is the registry of names that have none.
const dockerHub = "docker.io"

// hostOf is the registry in a name.
func hostOf(image string) (string, error) {
	r, err := name.ParseReference(image)
	if err != nil {
		return "", err
	}
	if host := r.Context().RegistryStr(); host != name.DefaultRegistry {
		return host, nil
	}
	return dockerHub, nil
}
