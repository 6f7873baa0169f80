package diagnose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

const (
	permitted = "cap_net_bind_service=p"
	effective = "cap_net_bind_service=ep"
)

// remedies returns what is offered for a start.
func remedies(s *scenario.Start, policy diagnose.Policy) []diagnose.Remedy {
	j := diagnose.Judge(law.Kernel{}, s)
	return diagnose.Remedies(law.Kernel{}, s, &j, policy)
}

// TestRemedyChanges holds which changes are offered for which start, and their
// order.
func TestRemedyChanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change change
		want   string
	}{
		{"works", listen(8080), ""},
		{"nothing to execute", both(refused(scenario.CauseNotFound), func(s *scenario.Start) { s.Program.Chain = nil }), ""},
		{"refused otherwise", refused(scenario.CauseInvalidManifest), ""},

		{"no file", both(), "change-port file-grant-effective ambient host-sysctl run-as-root"},
		{"no file, aware", isAware, "change-port file-grant ambient host-sysctl run-as-root"},
		{"not raised", file(permitted), "change-port file-grant-effective host-sysctl run-as-root"},
		{"not granted", both(nothing, isAware), "change-port file-grant+add-capability add-capability+ambient host-sysctl add-capability+run-as-root"},
		{"dumb file", both(file(effective), nothing), "change-port+file-permitted change-port+file-strip add-capability file-permitted+host-sysctl file-strip+host-sysctl"},
		{"dumb file, high port", both(file(effective), nothing, listen(8080)), "file-permitted file-strip add-capability"},
		{"dumb file, other", both(file("cap_net_raw=ep"), nothing, listen(8080)), "file-permitted file-strip add-capability"},
		{"dumb file, partly granted", both(file("cap_net_raw,cap_net_bind_service=ep"), granted(capset.NetRaw), listen(8080)), "file-permitted file-strip add-capability"},
		{"malformed, high port", both(isMalformed, listen(8080)), "file-strip"},
		{"malformed", isMalformed, "change-port+file-strip file-grant-effective file-strip+ambient file-strip+host-sysctl file-strip+run-as-root"},
		{"ambient cleared", both(bySystemd, asAmbient, file("cap_net_raw=p")), "change-port file-strip file-grant-effective host-sysctl run-as-root"},
		{"nosuid", both(file(permitted), isAware, isNosuid), "change-port move-file ambient host-sysctl run-as-root"},
		{"nosuid everywhere", both(file(permitted), isAware, allNosuid), "change-port ambient host-sysctl run-as-root"},
		{"foreign", both(file(permitted), isAware, isForeign), "change-port file-grant ambient host-sysctl run-as-root"},
		{"no_new_privs", both(file(permitted), isAware, noNewPrivs), "change-port ambient allow-new-privs host-sysctl run-as-root"},
		{"no_new_privs, implied", both(file(permitted), isAware, implied), "change-port ambient host-sysctl run-as-root"},
		{"through a shell", both(byKubernetes, file(permitted), isAware, noNewPrivs, through("/bin/sh", law.File{})), "change-port sysctl direct allow-new-privs run-as-root"},
		{"dumb before it", both(byPodman, nothing, through("/usr/bin/ping", law.File{Caps: filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}}), listen(8080)), "direct"},
		{"malformed, not granted", both(isMalformed, nothing), "change-port+file-strip file-grant-effective+add-capability file-strip+host-sysctl"},
		{"refused, malformed, not granted", both(byKubernetes, isMalformed, nothing, refused(scenario.CauseRunAsNonRoot)), "change-port+run-as-user+file-strip run-as-user+file-strip+sysctl run-as-user+file-grant-effective+add-capability"},
		{"no file, runs", running(cred.Sets{Bounding: bind}), "change-port file-grant-effective ambient host-sysctl run-as-root"},
		{"not granted, runs", both(isAware, file(permitted), nothing, running(cred.Sets{})), "change-port add-capability host-sysctl"},
		{"gave it up", both(file(permitted), isAware, running(cred.Sets{Bounding: bind})), "change-port restart ambient host-sysctl run-as-root"},
		{"gave it up, +ep", both(file(effective), isAware, running(cred.Sets{Bounding: bind})), "change-port restart ambient host-sysctl run-as-root"},
		{"network of others", both(file(permitted), isAware, inUserns), "change-port host-users host-sysctl"},
		{"host's network from outside", both(byPodman, asRoot, inUserns, hostNetwork), "change-port own-network host-users host-sysctl"},
		{"network from outside", both(byPodman, asRoot, inUserns, outside), "change-port sysctl host-users"},
		{"refused root", both(byKubernetes, asRoot, refused(scenario.CauseRunAsNonRoot), listen(8080)), "run-as-user"},
		{"refused root, low port", both(byKubernetes, asRoot, refused(scenario.CauseRunAsNonRoot)), "change-port+run-as-user run-as-user+sysctl run-as-user+file-grant-effective"},
		{"refused by name, low port", both(byKubernetes, refused(scenario.CauseRunAsNonRoot)), "change-port+run-as-user run-as-user+sysctl run-as-user+file-grant-effective"},
		{"own sysctl", both(byPodman, inUserns, portStart(2000), listen(1500)), "change-port sysctl file-grant-effective add-capability run-as-root"},
		{"sysctl of the host", both(byDocker, hostNetwork, refused(scenario.CauseSysctlHostNetwork)), "change-port+no-sysctl no-sysctl+file-grant-effective own-network no-sysctl+host-sysctl"},

		{"docker", both(byDocker, portStart(1024)), "change-port sysctl file-grant-effective run-as-root"},
		{"docker, nothing", both(byDocker, portStart(1024), nothing), "change-port sysctl file-grant-effective+add-capability add-capability+run-as-root"},
		{"docker, host", both(byDocker, hostNetwork, nothing), "change-port file-grant-effective+add-capability host-sysctl add-capability+run-as-root"},
		{"podman", byPodman, "change-port sysctl file-grant-effective add-capability run-as-root"},
		{"podman, high port", both(byPodman, file("cap_net_raw=ep"), listen(8080)), "file-permitted file-strip add-capability"},
		{"podman, dumb, partly granted", both(byPodman, file("cap_sys_admin,cap_net_bind_service=ep")), "change-port+file-permitted change-port+file-strip file-permitted+sysctl file-strip+sysctl add-capability file-permitted+run-as-root"},
		{"podman, dumb file of an aware program", both(byPodman, file(effective), nothing, isAware), "change-port+file-permitted change-port+file-strip file-permitted+sysctl file-strip+sysctl add-capability"},
		{"podman, given", both(byPodman, given(cred.Sets{})), "change-port sysctl add-capability"},
		{"podman, nothing", both(byPodman, nothing), "change-port sysctl add-capability"},
		{"podman, nothing, root", both(byPodman, nothing, asRoot), "change-port sysctl add-capability"},
		{"kubernetes, nothing", both(byKubernetes, nothing), "change-port sysctl file-grant-effective+add-capability add-capability+run-as-root"},
		{"systemd", bySystemd, "change-port file-grant-effective ambient host-sysctl run-as-root"},
		{"systemd, nothing", both(bySystemd, nothing), "change-port file-grant-effective+add-capability add-capability+ambient host-sysctl add-capability+run-as-root"},
		{"runc", byRunC, "change-port sysctl file-grant-effective ambient run-as-root"},
		{"runc, nothing", both(byRunC, given(cred.Sets{})), "change-port sysctl file-grant-effective+add-capability add-capability+ambient add-capability+run-as-root"},
		{"runc, nothing, root", both(byRunC, asRoot, given(cred.Sets{})), "change-port sysctl add-capability"},
	} {
		s := startOf(tc.change)
		var got []string
		for _, r := range remedies(s, nil) {
			got = append(got, r.Change())
			if j := diagnose.Judge(law.Kernel{}, r.Start); !j.OK() || r.Start == s || r.How == "" || r.Withheld != "" {
				t.Errorf("%s: %s: got %+v for %+v", tc.name, r.Change(), j, r)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, strings.Join(got, " "), tc.want)
		}
	}
}

// TestGives holds that a remedy says what the changed start has more.
func TestGives(t *testing.T) {
	for want, tc := range map[string]struct {
		change change
		remedy string
	}{
		"nothing":                    {both(file(effective), nothing, listen(8080)), "file-strip"},
		"root":                       {both(), "run-as-root"},
		"root; CAP_NET_BIND_SERVICE": {both(byDocker, hostNetwork, nothing), "add-capability+run-as-root"},
		"CAP_NET_BIND_SERVICE":       {both(file(effective), nothing), "add-capability"},
		"CAP_NET_BIND_SERVICE, for child processes too":                                               {both(bySystemd, isAware), "ambient"},
		"low ports for every program on the host":                                                     {both(), "host-sysctl"},
		"low ports for every program in the network namespace":                                        {byPodman, "sysctl"},
		"privilege gains at execve (set-user-ID files)":                                               {both(file(permitted), isAware, noNewPrivs), "allow-new-privs"},
		"the host's user namespace":                                                                   {both(file(permitted), isAware, inUserns), "host-users"},
		"the capability for whoever may execute the file":                                             {isAware, "file-grant"},
		"the capability for whoever may execute the file, which then starts only where it is granted": {both(), "file-grant-effective"},
	} {
		found := remedies(startOf(tc.change), nil)
		i := slices.IndexFunc(found, func(r diagnose.Remedy) bool { return r.Change() == tc.remedy })
		if i < 0 || found[i].Gives != want {
			t.Errorf("%s: %v, want one that gives %q", tc.remedy, found, want)
		}
	}
}

// TestRemedyPolicy holds that what a policy forbids is not offered, says why, and
// comes last; and that the policy sees the changed start.
func TestRemedyPolicy(t *testing.T) {
	noRoot := func(s *scenario.Start, changes []diagnose.Change) string {
		if s.Settings.UID == 0 || slices.Contains(changes, diagnose.Sysctl) {
			return "nobody may"
		}
		return ""
	}
	var got []string
	for _, r := range remedies(startOf(byDocker, portStart(1024), nothing), noRoot) {
		got = append(got, r.Change()+":"+r.Withheld)
	}
	want := []string{"change-port:", "file-grant-effective+add-capability:", "sysctl:nobody may", "add-capability+run-as-root:nobody may"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRemedyStart holds what each change makes of a start.
func TestRemedyStart(t *testing.T) {
	all := capset.All
	for name, tc := range map[string]struct {
		change change
		remedy string
		holds  func(*scenario.Start) bool
	}{
		"port":            {listen(80, 443, 8080), "change-port", portsAre("8080 8443 8080")},
		"port, taken":     {listen(1023), "change-port", portsAre("9023")},
		"port, sysctl":    {both(portStart(9000), listen(80)), "change-port", portsAre("9000")},
		"port, last":      {both(portStart(65535), listen(60000)), "change-port", portsAre("65535")},
		"port, above":     {both(portStart(60000), listen(57536)), "change-port", portsAre("60000")},
		"range":           {listenRange(80, 90), "change-port", portsAre("1024-1034")},
		"range, open end": {listenRange(1000, 1100), "change-port", portsAre("1024-1100")},
		"range, open":     {both(listen(80), func(s *scenario.Start) { s.AddListen(scenario.NewListen("udp", 1024, 1100, "")) }), "change-port", portsAre("8080 1024-1100")},
		"range, one open": {listenRange(1000, 1024), "change-port", portsAre("1024")},
		"range, from any": {listenRange(0, 10), "change-port", portsAre("1024-1033")},
		"range, too long": {both(portStart(65530), listenRange(100, 200)), "change-port", portsAre("65530-65535")},
		"sysctl":          {both(byPodman, listen(443, 80)), "sysctl", func(s *scenario.Start) bool { return s.Settings.PortStart == 80 }},
		"host sysctl":     {listen(81, 443), "host-sysctl", func(s *scenario.Start) bool { return s.Settings.PortStart == 81 }},
		"permitted":       {both(file("cap_net_raw=ep"), nothing, listen(8080)), "file-permitted", lastFile("cap_net_raw=p")},
		"strip":           {both(file("cap_net_raw=ep"), nothing, listen(8080)), "file-strip", func(s *scenario.Start) bool { return !s.Program.Last().File.HasCaps() }},
		"strip malformed": {both(isMalformed, listen(8080)), "file-strip", func(s *scenario.Start) bool { return !s.Program.Last().File.Malformed }},
		"grant":           {both(isAware, file("cap_net_raw=ip")), "file-grant", lastFile("cap_net_bind_service+p cap_net_raw+ip")},
		"grant effective": {file("cap_net_raw=p"), "file-grant-effective", lastFile("cap_net_bind_service,cap_net_raw=ep")},
		"own network":     {both(byPodman, asRoot, inUserns, hostNetwork, portStart(1024)), "own-network", func(s *scenario.Start) bool { return s.Settings.PortStart == scenario.Unset }},
		"add":             {both(byPodman, nothing), "add-capability", func(s *scenario.Start) bool { return s.Settings.Granted == bind && s.Settings.Added == bind }},
		"add to others": {both(byPodman, granted(capset.Chown), set(func(s *scenario.Settings) { s.Added = capset.Of(capset.Chown) })), "add-capability", func(s *scenario.Start) bool {
			return s.Settings.Granted == s.Settings.Added && s.Settings.Added == bind|capset.Of(capset.Chown)
		}},
		"add as named":     {byPodman, "add-capability", func(s *scenario.Start) bool { return s.Settings.Added == bind }},
		"add, given, root": {both(byRunC, asRoot, given(cred.Sets{Permitted: 1, Effective: 1, Bounding: 1})), "add-capability", givenIs(cred.Sets{Permitted: 1 | bind, Effective: 1 | bind, Bounding: 1 | bind})},
		"add, given":       {both(byRunC, given(cred.Sets{})), "file-grant-effective+add-capability", givenIs(cred.Sets{Permitted: bind, Effective: bind, Bounding: bind})},
		"add, given, none": {given(cred.Sets{}), "file-grant-effective+add-capability", givenIs(cred.Sets{Bounding: bind})},
		"add, given, host": {both(asRoot, given(cred.Sets{})), "add-capability", givenIs(cred.Sets{Permitted: bind, Effective: bind, Bounding: bind})},
		"add, given, all":  {both(byPodman, given(cred.Sets{Permitted: 1, Inheritable: 1, Ambient: 1, Bounding: 1})), "add-capability", givenIs(cred.Sets{Permitted: 1 | bind, Inheritable: 1 | bind, Ambient: 1 | bind, Bounding: 1 | bind})},
		"ambient":          {both(bySystemd, granted(capset.NetBindService, capset.Chown)), "ambient", func(s *scenario.Start) bool { return s.Settings.Ambient == bind }},
		"ambient, given":   {both(byRunC, given(cred.Sets{Permitted: 1, Inheritable: 1, Ambient: 1, Bounding: 1 | bind})), "ambient", givenIs(cred.Sets{Permitted: 1 | bind, Inheritable: 1 | bind, Ambient: 1 | bind, Bounding: 1 | bind})},
		"root":             {both(), "run-as-root", func(s *scenario.Start) bool { return s.Settings.UID == 0 }},
		"root, given": {both(given(cred.Sets{Permitted: 1, Bounding: all})), "run-as-root", func(s *scenario.Start) bool {
			return s.Settings.Given.Permitted == all && s.Settings.Given.Effective == all
		}},
		"restart": {both(file(effective), running(cred.Sets{Bounding: bind})), "restart", func(s *scenario.Start) bool { return s.Running == nil }},
		"user": {both(byKubernetes, asRoot, refused(scenario.CauseRunAsNonRoot), listen(8080)), "run-as-user", func(s *scenario.Start) bool {
			return s.Settings.UID == 65532 && s.Settings.GID == 65532 && s.Refused == nil
		}},
		"direct": {both(byKubernetes, file(permitted), isAware, noNewPrivs, through("/bin/sh", law.File{})), "direct", func(s *scenario.Start) bool {
			return len(s.Program.Chain) == 1 && s.Program.Last().Path == "/usr/bin/server"
		}},
		"move": {both(file(effective), isNosuid), "move-file", func(s *scenario.Start) bool { return !s.Program.Last().File.Nosuid }},
	} {
		found := remedies(startOf(tc.change), nil)
		i := slices.IndexFunc(found, func(r diagnose.Remedy) bool { return r.Change() == tc.remedy })
		if i < 0 {
			t.Errorf("%s: %s is not offered", name, tc.remedy)
		} else if s := found[i].Start; !tc.holds(s) {
			t.Errorf("%s: got %s, settings %+v, given %+v", name, ports(s), s.Settings, s.Settings.Given)
		}
	}
}

// TestRemedyRestarts holds that each change but the port's means another start,
// for a program that runs.
func TestRemedyRestarts(t *testing.T) {
	s := startOf(running(cred.Sets{Bounding: capset.All}))
	for _, r := range remedies(s, nil) {
		if again := r.Start.Running == nil; again == slices.Contains(r.Changes, diagnose.ChangePort) {
			t.Errorf("%s: starts again: %t", r.Change(), again)
		}
	}
}

func ports(s *scenario.Start) string {
	var out []string
	for _, l := range s.Listens {
		out = append(out, strings.TrimPrefix(l.Address, ":"))
	}
	return strings.Join(out, " ")
}

func portsAre(want string) func(*scenario.Start) bool {
	return func(s *scenario.Start) bool { return ports(s) == want }
}

func givenIs(want cred.Sets) func(*scenario.Start) bool {
	return func(s *scenario.Start) bool { return *s.Settings.Given == want }
}

// lastFile holds what the last program's file carries.
func lastFile(text string) func(*scenario.Start) bool {
	return func(s *scenario.Start) bool {
		want, err := capset.ParseState(text)
		return err == nil && s.Program.Last().File.Caps.State() == want
	}
}
