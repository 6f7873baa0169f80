package scenario_test

import (
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// TestBehaviour holds which entry counts for a version.
func TestBehaviour(t *testing.T) {
	for _, tc := range []struct {
		runtime scenario.Runtime
		from    string
	}{
		{scenario.Runtime{Name: scenario.Docker, Version: "19.03.15"}, ""},
		{scenario.Runtime{Name: scenario.Docker, Version: "20.10"}, "20.10"},
		{scenario.Runtime{Name: scenario.Docker, Version: "20.10.13"}, "20.10"},
		{scenario.Runtime{Name: scenario.Docker, Version: "20.10.24+dfsg1"}, "20.10.14"},
		{scenario.Runtime{Name: scenario.Docker, Version: "24.0.6"}, "24.0.6"},
		{scenario.Runtime{Name: scenario.Docker, Version: "20.10.14rc1"}, "20.10.14"},
		{scenario.Runtime{Name: scenario.Docker, Version: "29.1.0"}, "24.0.6"},
		{scenario.Runtime{Name: scenario.Docker}, "24.0.6"},
		{scenario.Runtime{Name: scenario.Containerd}, ""},
		{scenario.Runtime{Name: scenario.Containerd, Version: "2.1.0"}, "2.0"},
	} {
		if b := tc.runtime.Behaviour(); b.From != tc.from || b.Runtime != tc.runtime.Name {
			t.Errorf("%+v: got the behaviour of %s from %q, want %q", tc.runtime, b.Runtime, b.From, tc.from)
		}
	}
	for _, b := range scenario.Behaviours() {
		if b.Source == "" {
			t.Errorf("%s from %q has no source", b.Runtime, b.From)
		}
	}
}

// TestTask holds the sets before execve, as docs/runtimes.md has seen them.
func TestTask(t *testing.T) {
	for name, tc := range map[string]struct {
		settings scenario.Settings
		want     cred.Sets
	}{
		"docker 20.10, root": {scenario.Settings{Runtime: old, Granted: bind}, cred.Sets{Permitted: bind, Effective: bind, Bounding: bind}},
		"docker 20.10, user": {scenario.Settings{Runtime: old, UID: 1, Granted: bind}, cred.Sets{Bounding: bind}},
		"docker 28, user":    {scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Docker}, UID: 1, Granted: bind}, cred.Sets{Permitted: bind, Effective: bind, Bounding: bind}},
		"docker 19, root": {
			scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Docker, Version: "19.03"}, Granted: bind},
			cred.Sets{Permitted: bind, Effective: bind, Bounding: bind, Inheritable: bind},
		},
		"podman, user": {
			scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Podman}, UID: 1, Granted: bind | kill, Added: bind},
			cred.Sets{Permitted: bind, Effective: bind, Inheritable: bind, Ambient: bind, Bounding: bind | kill},
		},
		"systemd, user": {scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Systemd}, UID: 1, Granted: bind}, cred.Sets{Bounding: bind}},
		"systemd, ambient": {
			scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Systemd}, UID: 1, Granted: bind, Ambient: bind},
			cred.Sets{Permitted: bind, Effective: bind, Inheritable: bind, Ambient: bind, Bounding: bind},
		},
		"given": {scenario.Settings{Runtime: scenario.Runtime{Name: scenario.RunC}, Granted: bind, Given: &cred.Sets{Bounding: kill}}, cred.Sets{Bounding: kill}},
	} {
		if got := tc.settings.Task().Sets; got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
	s := scenario.Settings{Tracer: law.TracerUnprivileged, SharedFS: true}
	if task := s.Task(); task.Tracer != s.Tracer || !task.SharedFS {
		t.Errorf("got %+v, want it traced, and its working directory shared", task)
	}
}

var (
	bind = capset.Of(capset.NetBindService)
	old  = scenario.Runtime{Name: scenario.Docker, Version: "20.10.24"}
	kill = capset.Of(capset.Kill)
)

// TestNetworkNamespace holds the first unprivileged port and the owner.
func TestNetworkNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		settings scenario.Settings
		want     law.Network
	}{
		"docker":       {scenario.Settings{Runtime: old, PortStart: scenario.Unset}, law.Network{}},
		"docker, host": {scenario.Settings{Runtime: old, PortStart: scenario.Unset, Network: scenario.NetworkHost}, law.Network{PortStart: 1024}},
		"podman":       {scenario.Settings{Runtime: scenario.Runtime{Name: scenario.Podman}, PortStart: scenario.Unset}, law.Network{PortStart: 1024}},
		"set":          {scenario.Settings{Runtime: old, PortStart: 80}, law.Network{PortStart: 80}},
		"users":        {scenario.Settings{Runtime: old, PortStart: 80, UserNamespace: true}, law.Network{PortStart: 80}},
		"users, host": {
			scenario.Settings{Runtime: old, PortStart: 80, UserNamespace: true, Network: scenario.NetworkHost},
			law.Network{PortStart: 80, Owner: law.OwnerForeign},
		},
		"users, network made before": {
			scenario.Settings{Runtime: old, PortStart: 80, UserNamespace: true, NetworkOutside: true},
			law.Network{PortStart: 80, Owner: law.OwnerForeign},
		},
	} {
		if got := tc.settings.NetworkNamespace(); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}
