package diagnose_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
)

var (
	bind     = capset.Of(capset.NetBindService)
	withFile = &filecap.Caps{Permitted: bind, Revision: filecap.V2}
	hidden   = &filecap.Caps{Revision: filecap.V3} // by the kernel
)

// facts returns those of an ordinary user's process with a +p file, changed.
func facts(change func(*diagnose.Facts)) diagnose.Facts {
	f := diagnose.Facts{
		PortStart: 1024, UID: 65532, Permitted: bind, Bounding: capset.All,
		Executable: "/usr/bin/caddy", File: withFile,
		NetworkOwner: diagnose.OwnerSelf, Environment: diagnose.PlainHost,
	}
	change(&f)
	return f
}

func TestPredict(t *testing.T) {
	lost := func(f *diagnose.Facts) { f.Permitted = 0 }
	for name, tc := range map[string]struct {
		change func(*diagnose.Facts)
		port   int
		needs  diagnose.Needs
		cause  diagnose.Cause
	}{
		"permitted":         {func(*diagnose.Facts) {}, 80, diagnose.Raise, ""},
		"effective":         {func(f *diagnose.Facts) { f.Effective = bind }, 80, diagnose.Held, ""},
		"any port":          {lost, 0, diagnose.Free, ""},
		"high port":         {lost, 1024, diagnose.Free, ""},
		"last low port":     {lost, 1023, diagnose.Fail, diagnose.GivenUp},
		"sysctl 80":         {func(f *diagnose.Facts) { lost(f); f.PortStart = 80 }, 80, diagnose.Free, ""},
		"sysctl 81":         {func(f *diagnose.Facts) { lost(f); f.PortStart = 81 }, 80, diagnose.Fail, diagnose.GivenUp},
		"sysctl above 1024": {func(f *diagnose.Facts) { f.PortStart = 9000 }, 8080, diagnose.Raise, ""},
		"no bounding":       {func(f *diagnose.Facts) { lost(f); f.Bounding = 0 }, 80, diagnose.Fail, diagnose.NotInBoundingSet},
		"kept without it":   {func(f *diagnose.Facts) { f.Bounding = 0 }, 80, diagnose.Raise, ""},
		"no file":           {func(f *diagnose.Facts) { lost(f); f.File = nil }, 80, diagnose.Fail, diagnose.NoFileCapability},
		"root, no file":     {func(f *diagnose.Facts) { lost(f); f.File = nil; f.UID = 0 }, 80, diagnose.Fail, diagnose.GivenUp},
		"noroot, no file":   {func(f *diagnose.Facts) { lost(f); f.File = nil; f.UID = 0; f.NoRoot = true }, 80, diagnose.Fail, diagnose.NoFileCapability},
		"nosuid":            {func(f *diagnose.Facts) { lost(f); f.Nosuid = true }, 80, diagnose.Fail, diagnose.NosuidMount},
		"nosuid, no file":   {func(f *diagnose.Facts) { lost(f); f.Nosuid = true; f.File = nil }, 80, diagnose.Fail, diagnose.NoFileCapability},
		"foreign file":      {func(f *diagnose.Facts) { lost(f); f.FileForeign = true }, 80, diagnose.Fail, diagnose.ForeignFileCapability},
		"hidden file":       {func(f *diagnose.Facts) { lost(f); f.FileForeign = true; f.File = hidden }, 80, diagnose.Fail, diagnose.ForeignFileCapability},
		"no_new_privs":      {func(f *diagnose.Facts) { lost(f); f.NoNewPrivs = true }, 80, diagnose.Fail, diagnose.LostToNoNewPrivs},
		"foreign network":   {func(f *diagnose.Facts) { f.NetworkOwner = diagnose.OwnerForeign }, 80, diagnose.Fail, diagnose.ForeignNetwork},
		"foreign, high":     {func(f *diagnose.Facts) { f.NetworkOwner = diagnose.OwnerForeign }, 8080, diagnose.Free, ""},
	} {
		v := diagnose.Predict(facts(tc.change), tc.port)
		if v.Needs != tc.needs || v.Cause != tc.cause || v.Port != tc.port {
			t.Errorf("%s: got %+v, want %s %s", name, v, tc.needs, tc.cause)
		}
		if failed := v.Needs == diagnose.Fail; failed != (v.Reason != "") || failed != (v.Remedy != "") {
			t.Errorf("%s: a reason and a remedy belong to a failure alone: %+v", name, v)
		}
	}
}

func TestExplain(t *testing.T) {
	for says, change := range map[string]func(*diagnose.Facts){
		"a security module or a BPF program refused":                     func(*diagnose.Facts) {},
		"a seccomp filter, a security module":                            func(f *diagnose.Facts) { f.Seccomp = 2 },
		"port 80 needs no capability here":                               func(f *diagnose.Facts) { f.PortStart = 0 },
		"or the network namespace belongs to another user namespace":     func(f *diagnose.Facts) { f.NetworkOwner = diagnose.OwnerUnknown },
		"the network namespace belongs to another user namespace, where": func(f *diagnose.Facts) { f.NetworkOwner = diagnose.OwnerForeign },
		"(net.ipv4.ip_unprivileged_port_start is 1024 by default":        func(f *diagnose.Facts) { f.Unknown = []string{"ip_unprivileged_port_start"} },
	} {
		v := diagnose.Explain(facts(change), 80)
		if v.Needs != diagnose.Fail || !strings.Contains(v.String(), says) {
			t.Errorf("got %s\nwant it to say %q", v, says)
		}
	}
}

// TestRemedies holds that every cause has a remedy in the words of every
// environment, in one line.
func TestRemedies(t *testing.T) {
	words := map[diagnose.Environment][]string{
		diagnose.Docker:     {"docker", "image", "seccomp=unconfined"},
		diagnose.Podman:     {"podman", "image", "seccomp=unconfined"},
		diagnose.Kubernetes: {"securityContext", "image", "pod", "command", "hostNetwork"},
		diagnose.Systemd:    {"unit", "setcap", "move /usr"},
		diagnose.PlainHost:  {"start it", "setcap", "sysctl", "move /usr/bin/caddy", "setpriv", "dmesg"},
	}
	common := []string{"start it again", "in the user namespace where"}
	for env, own := range words {
		for name, change := range causes {
			f := facts(change)
			f.Environment = env
			v := diagnose.Explain(f, 80)
			ok := false
			for _, w := range append(own, common...) {
				ok = ok || strings.Contains(v.Remedy, w)
			}
			if !ok || v.Cause != name || strings.ContainsAny(v.String(), "\n") {
				t.Errorf("%s in %s: cause %s, remedy %q, want one of %q", name, env, v.Cause, v.Remedy, own)
			}
		}
	}
}

// causes makes each cause true.
var causes = map[diagnose.Cause]func(*diagnose.Facts){
	diagnose.NotInBoundingSet:      func(f *diagnose.Facts) { f.Permitted, f.Bounding = 0, 0 },
	diagnose.NoFileCapability:      func(f *diagnose.Facts) { f.Permitted, f.File = 0, nil },
	diagnose.LostToNoNewPrivs:      func(f *diagnose.Facts) { f.Permitted, f.NoNewPrivs, f.Wrapper = 0, true, "tini" },
	diagnose.NosuidMount:           func(f *diagnose.Facts) { f.Permitted, f.Nosuid = 0, true },
	diagnose.ForeignFileCapability: func(f *diagnose.Facts) { f.Permitted, f.FileForeign = 0, true },
	diagnose.GivenUp:               func(f *diagnose.Facts) { f.Permitted = 0 },
	diagnose.ForeignNetwork:        func(f *diagnose.Facts) { f.NetworkOwner = diagnose.OwnerForeign },
	diagnose.Blocked:               func(*diagnose.Facts) {},
}
