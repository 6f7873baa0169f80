package locate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/capwise/capwise/image/ref"
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
	Prefix   string   `toml:"prefix"`
	Location string   `toml:"location"`
	Blocked  bool     `toml:"blocked"`
	Mirrors  []mirror `toml:"mirror"`
}

type mirror struct {
	Location string `toml:"location"`
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
// tries them.
func (h *hosts) names(image string, own ref.Kind) ([]named, error) {
	var out []named
	for _, full := range h.qualified(image, own) {
		host, err := hostOf(full)
		if err != nil {
			return nil, err
		}
		if host == "localhost" { // where Podman puts what it builds
			continue
		}
		for _, n := range h.mirrored(full, own) {
			if at, err := hostOf(n); err == nil && !slices.Contains(out, named{at, n}) {
				out = append(out, named{at, n})
			}
		}
	}
	return out, nil
}

// qualified returns the names with a registry that a name without one may mean.
func (h *hosts) qualified(image string, own ref.Kind) []string {
	first, _, rest := strings.Cut(image, "/")
	if rest && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return []string{image}
	}
	if own != ref.Podman || len(h.Unqualified) == 0 {
		return []string{"docker.io/" + image}
	}
	var out []string
	for _, registry := range h.Unqualified {
		out = append(out, registry+"/"+image)
	}
	return out
}

// mirrored returns the names of an image in mirrors, and its own last.
func (h *hosts) mirrored(image string, own ref.Kind) []string {
	if rest, ok := strings.CutPrefix(image, "docker.io/"); ok && own != ref.Podman && len(h.docker) > 0 {
		if !strings.Contains(rest, "/") {
			rest = "library/" + rest
		}
		var out []string
		for _, m := range h.docker {
			out = append(out, m+"/"+rest)
		}
		return append(out, image)
	}
	best := entry{}
	for _, e := range h.Registries {
		if e.Prefix == "" {
			e.Prefix = e.Location
		}
		if matches(image, e.Prefix) && len(e.Prefix) > len(best.Prefix) {
			best = e
		}
	}
	if best.Prefix == "" {
		return []string{image}
	}
	rest := strings.TrimPrefix(image, best.Prefix)
	var out []string
	for _, m := range best.Mirrors {
		out = append(out, m.Location+rest)
	}
	switch {
	case best.Blocked:
		return out
	case best.Location != "":
		return append(out, best.Location+rest)
	}
	return append(out, image)
}

// matches reports whether a name begins with a prefix of registries.conf, at the end of
// one of its parts. A prefix such as "*.example.com" is left to the engine.
func matches(image, prefix string) bool {
	rest, ok := strings.CutPrefix(image, prefix)
	return ok && prefix != "" && (rest == "" || strings.ContainsAny(rest[:1], "/:@"))
}
