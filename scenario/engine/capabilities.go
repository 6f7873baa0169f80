package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/scenario"
)

// Request is what a container asks for in capabilities.
type Request struct {
	Add, Drop  []string // names in either case, with CAP_ or without, or ALL
	Privileged bool
}

// Grant puts into settings what the engine makes of the request: the order of
// the flags does not matter, but Docker and Podman differ where the same name
// is both added and dropped. An error names the flag.
func (r Request) Grant(settings *scenario.Settings) error {
	add, addAll, err := names("--cap-add", r.Add, settings.Runtime.Name)
	if err != nil {
		return err
	}
	drop, dropAll, err := names("--cap-drop", r.Drop, settings.Runtime.Name)
	if err != nil {
		return err
	}
	if addAll {
		add = capset.All
	}
	settings.Added, settings.Dropped = add, drop
	base := settings.Runtime.Behaviour().Default
	switch {
	case r.Privileged:
		settings.Granted = capset.All
	case settings.Runtime.Name == scenario.Podman:
		settings.Granted, err = podmanMerge(base, add, drop, addAll, dropAll)
	default:
		settings.Granted = dockerMerge(base, add, drop, addAll, dropAll)
	}
	return err
}

// dockerMerge is TweakCapabilities of moby's daemon/oci/caps.
func dockerMerge(base, add, drop capset.Set, addAll, dropAll bool) capset.Set {
	switch {
	case addAll:
		return capset.All &^ drop
	case dropAll:
		return add
	default:
		return base&^drop | add
	}
}

// podmanMerge is MergeCapabilities of containers/common's pkg/capabilities.
func podmanMerge(base, add, drop capset.Set, addAll, dropAll bool) (capset.Set, error) {
	switch {
	case addAll && dropAll:
		return 0, fmt.Errorf("podman refuses --cap-add=ALL together with --cap-drop=ALL")
	case dropAll:
		return add, nil
	case addAll:
		return capset.All &^ drop, nil
	case add&drop != 0:
		return 0, fmt.Errorf("podman refuses to both add and drop %s", add&drop)
	default:
		return base&^drop | add, nil
	}
}

// names reads the values of --cap-add or --cap-drop.
func names(flag string, values []string, runtime scenario.RuntimeName) (set capset.Set, all bool, err error) {
	for _, value := range values {
		list := []string{value}
		if runtime == scenario.Podman {
			list = strings.Split(value, ",")
		}
		if slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, "all") }) {
			all = true
		}
		for _, name := range list {
			if strings.EqualFold(name, "all") {
				continue
			}
			c, err := Capability(name)
			if err != nil {
				return 0, false, fmt.Errorf("%s=%s: %w", flag, value, err)
			}
			set |= capset.Of(c)
		}
	}
	return set, all, nil
}

// Capability reads a name as the engines do: in either case, with CAP_ before
// it or without. Numbers are no names to them.
func Capability(name string) (capset.Cap, error) {
	full := name
	if len(name) < 4 || !strings.EqualFold(name[:4], "CAP_") {
		full = "CAP_" + name
	}
	c, err := capset.ParseCap(full)
	if err != nil {
		return 0, fmt.Errorf("unknown capability %q%s", name, meant(full))
	}
	return c, nil
}

// meant suggests the capability that a name is nearly the name of.
func meant(name string) string {
	var known []string
	for c := range capset.All.Caps() {
		known = append(known, strings.ToUpper(c.String()))
	}
	if near := flags.Nearest(strings.ToUpper(name), known); near != "" {
		return "; did you mean " + strings.TrimPrefix(near, "CAP_") + "?"
	}
	return ""
}
