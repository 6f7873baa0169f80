package sources

import (
	"fmt"
	"slices"
	"strings"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// about reports whether what the user says besides the source counts for a start.
func (o Options) about(s *scenario.Start) bool { return o.Only == "" || o.Only == nameOf(s) }

// nameOf is the name of a container or service: the last part of "pod/web/server".
func nameOf(s *scenario.Start) string { return s.Name[strings.LastIndexByte(s.Name, '/')+1:] }

// givenFor is what the user says about a start.
func (o Options) givenFor(s *scenario.Start) lookup.Given {
	if o.about(s) {
		return o.Given
	}
	return lookup.Given{Scripts: o.Given.Scripts}
}

// checkNames refuses a name that no start has, and says where what the user says counts
// for several.
func (o Options) checkNames(found []Found) error {
	var names []string
	for _, f := range found {
		names = append(names, nameOf(f.Start))
	}
	if o.Only != "" {
		if !slices.Contains(names, o.Only) {
			return fmt.Errorf("--container %q: the source has %s", o.Only, strings.Join(names, ", "))
		}
		return nil
	}
	if said := o.said(); said != "" && len(found) > 1 {
		found[0].Note(fmt.Sprintf("%s counts for all %d programs of the source; --container NAME is for one", said, len(found)))
	}
	return nil
}

// said names what the user says about programs.
func (o Options) said() string {
	var flags []string
	for flag, is := range map[string]bool{
		"--file-caps": o.Given.FileCaps != nil, "--listen": len(o.Given.Listens) > 0, "--program": o.Given.Awareness != "",
		"--user": o.Given.User != "", "--image": o.Image != "",
	} {
		if is {
			flags = append(flags, flag)
		}
	}
	slices.Sort(flags)
	return strings.Join(flags, ", ")
}

// inVersion makes the runtime of a start one of a version.
func inVersion(v string) func(*scenario.Start) {
	return func(s *scenario.Start) { s.Settings.Runtime.Version = v }
}

// unsureOfDocker is for a container of Docker in a version that nobody says. From 20.10
// on, which is of 2020, ports below 1024 need no capability in a network of its own.
func unsureOfDocker(s *scenario.Start) {
	set := &s.Settings
	if set.Runtime.Name != scenario.Docker || set.Runtime.Version != "" {
		return
	}
	s.Unsure(scenario.Unknown{
		Fact: scenario.FactRuntime, What: "the version of Docker", Settle: "--runtime-version",
		Cases: []scenario.Case{
			{If: "Docker 24.0.6 or later runs it", Set: inVersion("24.0.6")},
			{If: "an older Docker runs it, 20.10 to 24.0.5", Set: inVersion("20.10.14")},
		},
	})
	low := func(l scenario.Listen) bool { return l.Port > 0 && l.Port < law.DefaultPortStart }
	if set.Network == scenario.NetworkPrivate && set.PortStart == scenario.Unset && slices.ContainsFunc(s.Listens, low) {
		s.Note("assuming Docker 20.10 or later: before, ports below 1024 need a capability in a container, too")
	}
}
