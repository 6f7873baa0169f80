package diagnose_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// in says where in a file the start was described.
func in(file string, line int, path string) change {
	return func(s *scenario.Start) { s.Where = scenario.Where{File: file, Line: line, Path: path} }
}

func path(name string) change {
	return func(s *scenario.Start) { s.Program.Last().Path = name }
}

// TestNotation holds how each source writes each change that it has a notation
// for: what a reader copies from there.
func TestNotation(t *testing.T) {
	var (
		lost     = both(file(permitted), isAware, noNewPrivs, through("/bin/sh", law.File{}))
		low      = portStart(1024)
		noRoot   = both(asRoot, refused(scenario.CauseRunAsNonRoot), listen(8080))
		inHost   = both(asRoot, inUserns, hostNetwork)
		inFile   = in("compose.yaml", 7, "services.web")
		behind   = both(asAmbient, through("/usr/bin/ping", law.File{Caps: *withFile}))
		dumbFile = both(file("cap_net_raw,cap_chown=ep"), nothing, listen(8080))
	)
	for _, tc := range []struct {
		name   string
		change change
		want   map[string]string
	}{
		{"docker", both(byDocker, low, nothing), map[string]string{
			"change-port":                         "let it listen on tcp :8080 instead of tcp :80; a published port can stay as it is outside",
			"sysctl":                              "docker run --sysctl=net.ipv4.ip_unprivileged_port_start=80",
			"file-grant-effective+add-capability": "in the image: setcap cap_net_bind_service=ep /usr/bin/server, and docker run --cap-add=NET_BIND_SERVICE",
			"add-capability+run-as-root":          "docker run --cap-add=NET_BIND_SERVICE, and docker run --user=0",
		}},
		{"podman", both(byPodman, dumbFile), map[string]string{
			"file-permitted": "in the image: setcap cap_chown,cap_net_raw=p /usr/bin/server",
			"file-strip":     "in the image: setcap -r /usr/bin/server",
			"add-capability": "podman run --cap-add=CHOWN --cap-add=NET_RAW",
		}},
		{"docker, more", both(byDocker, low, lost), map[string]string{
			"direct":          "--entrypoint=/usr/bin/server, so that /bin/sh does not start it",
			"allow-new-privs": "docker run without --security-opt=no-new-privileges",
		}},
		{"docker, host", both(byDocker, inHost), map[string]string{
			"own-network": "docker run without --network=host", "host-users": "docker run --userns=host",
			"host-sysctl": "on the host: sysctl -w net.ipv4.ip_unprivileged_port_start=80",
		}},
		{"docker, user", both(byDocker, noRoot), map[string]string{"run-as-user": "docker run --user=65532"}},
		{"compose", both(byCompose, inFile, low, nothing, listen(80, 443)), map[string]string{
			"change-port":                         "let it listen on tcp :8080 instead of tcp :80, tcp :8443 instead of tcp :443; a published port can stay as it is outside",
			"sysctl":                              "compose.yaml:7: services.web.sysctls: {net.ipv4.ip_unprivileged_port_start: 80}",
			"file-grant-effective+add-capability": "in the image: setcap cap_net_bind_service=ep /usr/bin/server, and compose.yaml:7: services.web.cap_add: [NET_BIND_SERVICE]",
			"add-capability+run-as-root":          `compose.yaml:7: services.web.cap_add: [NET_BIND_SERVICE], and compose.yaml:7: services.web.user: "0"`,
		}},
		{"compose, more", both(byCompose, in("compose.yaml", 0, ""), low, lost), map[string]string{
			"direct":          `compose.yaml: entrypoint: ["/usr/bin/server"]`,
			"allow-new-privs": "compose.yaml: security_opt: leave out no-new-privileges",
		}},
		{"compose, host", both(byCompose, in("", 9, "services.web"), inHost), map[string]string{
			"own-network": "services.web.network_mode: leave out host", "host-users": "services.web.userns_mode: host",
		}},
		{"compose, user", both(byCompose, in("", 9, ""), noRoot), map[string]string{"run-as-user": `user: "65532"`}},
		{"kubernetes", both(byKubernetes, in("pod.yaml", 4, "spec.containers[0]"), nothing), map[string]string{
			"change-port":                         "let it listen on tcp :8080 instead of tcp :80; a Service can stay on the port as it is, with another targetPort",
			"sysctl":                              `pod.yaml: spec.securityContext.sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]`,
			"file-grant-effective+add-capability": "in the image: setcap cap_net_bind_service=ep /usr/bin/server, and pod.yaml:4: spec.containers[0].securityContext.capabilities.add: [NET_BIND_SERVICE]",
			"add-capability+run-as-root":          "pod.yaml:4: spec.containers[0].securityContext.capabilities.add: [NET_BIND_SERVICE], and pod.yaml:4: spec.containers[0].securityContext.runAsUser: 0",
		}},
		{"kubernetes, more", both(byKubernetes, in("", 4, ".containers[0]"), lost), map[string]string{
			"direct":          `.containers[0].command: ["/usr/bin/server"], so that it is not a child of /bin/sh`,
			"allow-new-privs": ".containers[0].securityContext.allowPrivilegeEscalation: true",
			"sysctl":          `securityContext.sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]`,
		}},
		{"kubernetes, host", both(byKubernetes, in("pod.yaml", 4, "containers"), inHost), map[string]string{
			"own-network": "pod.yaml: hostNetwork: false", "host-users": "pod.yaml: hostUsers: true",
		}},
		{"kubernetes, user", both(byKubernetes, noRoot), map[string]string{"run-as-user": "securityContext.runAsUser: 65532"}},
		{"unit", both(bySystemd, in("web.service", 3, ""), nothing), map[string]string{
			"change-port":                         "let it listen on tcp :8080 instead of tcp :80",
			"file-grant-effective+add-capability": "sudo setcap cap_net_bind_service=ep /usr/bin/server, and web.service: [Service] CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
			"add-capability+ambient":              "web.service: [Service] CapabilityBoundingSet=CAP_NET_BIND_SERVICE, and web.service: [Service] AmbientCapabilities=CAP_NET_BIND_SERVICE",
			"add-capability+run-as-root":          "web.service: [Service] CapabilityBoundingSet=CAP_NET_BIND_SERVICE, and web.service: [Service] User=root",
		}},
		{"unit, more", both(bySystemd, lost), map[string]string{"allow-new-privs": "NoNewPrivileges=no in the unit"}},
		{"unit, direct", both(bySystemd, behind), map[string]string{"direct": "ExecStart=/usr/bin/server itself, without /usr/bin/ping"}},
		{"unit, users", both(bySystemd, inHost), map[string]string{"host-users": "PrivateUsers=no in the unit"}},
		{"systemd-run", both(bySystemdRun, dumbFile), map[string]string{
			"file-permitted": "sudo setcap cap_chown,cap_net_raw=p /usr/bin/server", "add-capability": "-p CapabilityBoundingSet=CAP_CHOWN CAP_NET_RAW",
		}},
		{"config.json", both(byRunC, given(cred.Sets{})), map[string]string{
			"sysctl":                     `linux.sysctl: add "net.ipv4.ip_unprivileged_port_start": "80"`,
			"add-capability+ambient":     `process.capabilities: add ["CAP_NET_BIND_SERVICE"] to bounding, permitted and effective, and process.capabilities: add ["CAP_NET_BIND_SERVICE"] to permitted, inheritable and ambient`,
			"add-capability+run-as-root": `process.capabilities: add ["CAP_NET_BIND_SERVICE"] to bounding, permitted and effective, and process.user.uid: 0`,
		}},
		{"config.json, more", both(byRunC, lost, given(cred.Sets{Permitted: bind, Bounding: bind})), map[string]string{
			"direct": `process.args: start with "/usr/bin/server"`, "allow-new-privs": "process.noNewPrivileges: false",
		}},
		{"config.json, host", both(byRunC, inHost, given(cred.Sets{})), map[string]string{
			"add-capability+own-network": `process.capabilities: add ["CAP_NET_BIND_SERVICE"] to bounding, permitted and effective, and linux.namespaces: add {"type": "network"}`,
			"add-capability+host-users":  `process.capabilities: add ["CAP_NET_BIND_SERVICE"] to bounding, permitted and effective, and linux.namespaces: leave out user`,
		}},
		{"shell", both(file("cap_chown,cap_net_raw=ep"), granted(capset.NetRaw)), map[string]string{
			"file-grant-effective+add-capability": "sudo setcap cap_chown,cap_net_bind_service,cap_net_raw=ep /usr/bin/server, and start it from where CAP_CHOWN, CAP_NET_BIND_SERVICE are still in the bounding set",
		}},
		{"shell, path", path("/opt/my server"), map[string]string{
			"file-grant-effective": "sudo setcap cap_net_bind_service=ep '/opt/my server'",
			"ambient":              "as root: setpriv --reuid=1000 --inh-caps=+net_bind_service --ambient-caps=+net_bind_service '/opt/my server'",
		}},
		{"docker, path", both(byDocker, low, lost, path("/opt/my server")), map[string]string{"direct": "--entrypoint='/opt/my server', so that /bin/sh does not start it"}},
		{"shell, sets", both(isAware, file("cap_net_raw=ip")), map[string]string{"file-grant": "sudo setcap 'cap_net_raw=ip cap_net_bind_service+p' /usr/bin/server"}},
		{"shell, image", func(s *scenario.Start) { s.Request.Image = "web" }, map[string]string{"file-grant-effective": "in the image: setcap cap_net_bind_service=ep /usr/bin/server"}},
		{"shell, foreign", both(isAware, file(permitted), isForeign), map[string]string{"file-grant": "in the user namespace where the program runs: setcap cap_net_bind_service=p /usr/bin/server"}},
		{"shell, network", func(s *scenario.Start) { s.Settings.Network = scenario.NetworkPrivate }, map[string]string{"sysctl": "in its network namespace: sysctl -w net.ipv4.ip_unprivileged_port_start=80"}},
		{"shell, direct", behind, map[string]string{"direct": "start /usr/bin/server itself, not through /usr/bin/ping"}},
		{"volume", both(byDocker, low, file(effective), isNosuid), map[string]string{"move-file": "put /usr/bin/server in the image instead of a volume"}},
		{"no volume", both(file(effective), isNosuid), map[string]string{"move-file": "move /usr/bin/server to a file system that is mounted without nosuid"}},
	} {
		got := map[string]string{}
		for _, r := range remedies(startOf(tc.change), nil) {
			got[r.Change()] = r.How
		}
		for change, how := range tc.want {
			if got[change] != how {
				t.Errorf("%s: %s:\ngot  %s\nwant %s", tc.name, change, got[change], how)
			}
		}
	}
}

// TestWrapped holds that where a runtime keeps what it grants, a process behind an
// init is told to leave that out.
func TestWrapped(t *testing.T) {
	for name, direct := range map[diagnose.Environment]bool{diagnose.Docker: false, diagnose.Kubernetes: true, diagnose.Podman: false} {
		f := facts(func(f *diagnose.Facts) {
			f.Permitted, f.NoNewPrivs, f.Wrapper, f.Environment = 0, true, "tini", name
		})
		v := diagnose.Predict(f, 80)
		if strings.Contains(v.Remedy, "tini") != direct {
			t.Errorf("%s: got %q", name, v.Remedy)
		}
	}
}
