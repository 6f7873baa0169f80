package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/cmd/capwise/internal/policy"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// patched is a source that fails, and what its remedies are.
type patched struct {
	file, text string   // its name and content; or
	command    []string // a command line
	caps       string   // of the program's file
	user       string   // of the image
	policy     string
	version    string
	changes    string   // that have to be among the remedies, and written out
	has        []string // what each patch of these changes has
}

const (
	composeLow = "services:\n  my.web:\n    image: x\n    entrypoint: [/bin/x]\n    ports: ['8080:80']\n    sysctls:\n      net.ipv4.ip_unprivileged_port_start: 1024\n"
	podLow     = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: x\n    command: [/bin/x]\n    ports: [{containerPort: 80}]\n"
	sysctlPod  = "  securityContext:\n    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '1024'}]\n"
	bundleLow  = "{\n  \"ociVersion\": \"1.0.2\",\n  \"process\": {\n    \"args\": [\"/bin/x\"],\n    \"user\": {\"uid\": 7, \"gid\": 7},\n    \"capabilities\": {\"bounding\": []},\n    \"noNewPrivileges\": true\n  },\n  \"linux\": {\n    \"namespaces\": [\n      {\"type\": \"pid\"},\n      {\"type\": \"network\"}\n    ]\n  }\n}\n"
	unitLow    = "[Service]\nExecStart=/bin/cat\nUser=nobody\n"
)

func run(engine string, words ...string) []string {
	return append(append([]string{engine, "run", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024", "--entrypoint=/bin/x"}, words...), "x")
}

// patchedSources has every change that is written into a source, in each notation.
var patchedSources = map[string]patched{
	"docker sysctl":          {command: run("docker", "--user=7"), caps: "=", changes: "sysctl", has: []string{"--sysctl=net.ipv4.ip_unprivileged_port_start=80 x"}},
	"docker cap-add":         {command: run("docker", "--user=0", "--cap-drop=ALL"), caps: "=", changes: "add-capability", has: []string{"--cap-add=NET_BIND_SERVICE x"}},
	"docker add ALL, drop":   {command: run("docker", "--user=0", "--cap-add=ALL", "--cap-drop", "NET_BIND_SERVICE"), caps: "=", changes: "add-capability", has: []string{"--cap-add=ALL --cap-add=NET_BIND_SERVICE x"}},
	"podman drop":            {command: run("podman", "--user=0", "--cap-drop=CHOWN,NET_BIND_SERVICE"), caps: "=", changes: "add-capability", has: []string{"--cap-drop=CHOWN --cap-add"}},
	"docker new privs":       {command: run("docker", "--user=7", "--security-opt", "no-new-privileges:true"), caps: "cap_net_bind_service=p", version: "20.10.24", changes: "allow-new-privs", has: []string{"--user=7 x"}},
	"docker network":         {command: []string{"docker", "run", "--network=host", "--sysctl=net.ipv4.ip_unprivileged_port_start=80", "x", "/bin/x"}, caps: "=", changes: "own-network", has: []string{"docker run --sysctl"}},
	"docker no sysctl":       {command: []string{"docker", "run", "--user=0", "--network=host", "--sysctl=net.ipv4.ip_unprivileged_port_start=80", "x", "/bin/x"}, caps: "=", changes: "no-sysctl", has: []string{"--network=host x"}},
	"docker root":            {command: run("docker", "--user=7"), caps: "=", changes: "run-as-root", has: []string{"--user=0 x"}},
	"docker file":            {command: run("docker", "--user=7"), caps: "=", changes: "file-grant-effective", has: []string{"+USER root\n+RUN [\"setcap\",\"cap_net_bind_service=ep\",\"/bin/x\"]"}},
	"docker file, user":      {command: run("docker"), user: "7", caps: "=", changes: "file-grant-effective", has: []string{"+RUN [\"setcap\",\"cap_net_bind_service=ep\",\"/bin/x\"]"}},
	"docker strip":           {command: []string{"docker", "run", "--user=7", "--cap-drop=ALL", "--entrypoint=/bin/x", "x"}, caps: "cap_net_bind_service=ep", changes: "file-strip", has: []string{"RUN [\"setcap\",\"-r\",\"/bin/x\"]"}},
	"docker permitted":       {command: []string{"docker", "run", "--user=7", "--cap-drop=ALL", "--entrypoint=/bin/x", "x"}, caps: "cap_net_bind_service=ep", changes: "file-permitted", has: []string{"cap_net_bind_service=p"}},
	"docker prefix":          {command: append([]string{"X=a b", "sudo"}, run("docker", "--user=7")...), caps: "=", changes: "sysctl", has: []string{"X='a b' sudo docker run"}},
	"podman rootless port":   {command: []string{"sudo", "-u", "#1234", "podman", "run", "-p", "127.0.0.1:80:8080", "x", "/bin/x"}, caps: "=", changes: "publish-elsewhere", has: []string{"-p 127.0.0.1:8080:8080 x"}},
	"podman rootless port 2": {command: []string{"sudo", "-u", "#1234", "podman", "run", "--publish=80:8080/tcp", "x", "/bin/x"}, caps: "=", changes: "publish-elsewhere", has: []string{"--publish=8080:8080/tcp x"}},

	"compose sysctl":    {file: "compose.yaml", text: composeLow + "    user: '7'\n", caps: "=", changes: "sysctl", has: []string{"+    sysctls: {net.ipv4.ip_unprivileged_port_start: 80}"}},
	"compose cap_add":   {file: "compose.yaml", text: composeLow + "    user: '0'\n    cap_drop: [ALL]\n", caps: "=", changes: "add-capability", has: []string{"+    cap_add: [NET_BIND_SERVICE]"}},
	"compose podman":    {file: "compose.yaml", text: composeLow + "    user: '0'\n    cap_drop:\n      - CHOWN\n      - NET_BIND_SERVICE\n", version: "podman:4.3.1", caps: "=", changes: "add-capability", has: []string{"+    cap_drop: [CHOWN]"}},
	"compose new privs": {file: "compose.yaml", text: composeLow + "    user: '7'\n    security_opt: ['no-new-privileges:true']\n", version: "20.10.24", caps: "cap_net_bind_service=p", changes: "allow-new-privs", has: []string{"-    security_opt: ['no-new-privileges:true']"}},
	"compose network":   {file: "compose.yaml", text: composeLow + "    user: '0'\n    network_mode: host\n", caps: "=", changes: "own-network", has: []string{"-    network_mode: host"}},
	"compose no sysctl": {file: "compose.yaml", text: composeLow + "    user: '0'\n    network_mode: host\n", caps: "=", changes: "no-sysctl", has: []string{"net.ipv4"}},
	"compose root":      {file: "compose.yaml", text: composeLow + "    user: '7'\n", caps: "=", changes: "run-as-root", has: []string{`+    user: "0"`}},
	"compose file":      {file: "compose.yaml", text: composeLow + "    user: '7'\n", caps: "=", changes: "file-grant-effective", has: []string{"+++ Containerfile"}},

	"pod sysctl":      {file: "pod.yaml", text: podLow + "    securityContext: {runAsUser: 7}\n" + sysctlPod, caps: "=", changes: "sysctl", has: []string{`value: "80"`}},
	"pod capability":  {file: "pod.yaml", text: podLow + "    securityContext: {runAsUser: 0, capabilities: {drop: [NET_BIND_SERVICE]}}\n" + sysctlPod, caps: "=", changes: "add-capability", has: []string{"drop: []"}},
	"pod escalation":  {file: "pod.yaml", text: podLow + "    securityContext: {runAsUser: 7, allowPrivilegeEscalation: false}\n" + sysctlPod, caps: "cap_net_bind_service=p", version: "docker:20.10.24", changes: "allow-new-privs", has: []string{"allowPrivilegeEscalation: true"}},
	"pod root":        {file: "pod.yaml", text: podLow + "    securityContext: {runAsUser: 7}\n" + sysctlPod, caps: "=", changes: "run-as-root", has: []string{"runAsUser: 0"}},
	"pod user":        {file: "pod.yaml", text: podLow + "    securityContext: {runAsNonRoot: true}\n", user: "0", caps: "=", version: "containerd:2.0", changes: "run-as-user", has: []string{"runAsUser: 65532"}},
	"pod policy":      {file: "pod.yaml", text: podLow + "  hostNetwork: false\n", user: "7", caps: "=", policy: "restricted", version: "containerd:2.0", changes: "meet-policy", has: []string{"drop", "runAsNonRoot", "RuntimeDefault", "allowPrivilegeEscalation"}},
	"pod policy JSON": {file: "pod.json", text: `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x", "command": ["/bin/x"], "ports": [{"containerPort": 80, "hostPort": 80}]}]}}`, user: "7", caps: "=", policy: "restricted", version: "containerd:2.0", changes: "meet-policy", has: []string{`"runAsNonRoot": true`, `{"containerPort": 80}`}},

	"bundle sysctl":      {file: "config.json", text: bundleLow, caps: "=", changes: "sysctl", has: []string{`"sysctl": {"net.ipv4.ip_unprivileged_port_start": "80"}`}},
	"bundle ambient":     {file: "config.json", text: bundleLow, caps: "=", changes: "add-capability+ambient", has: []string{`"ambient": ["CAP_NET_BIND_SERVICE"]`}},
	"bundle root":        {file: "config.json", text: bundleLow, caps: "=", changes: "add-capability+run-as-root", has: []string{`"uid": 0`}},
	"bundle new privs":   {file: "config.json", text: strings.Replace(bundleLow, `"bounding": []`, `"bounding": ["CAP_NET_BIND_SERVICE"]`, 1), caps: "cap_net_bind_service=p", changes: "allow-new-privs", has: []string{`"noNewPrivileges": false`}},
	"bundle users":       {file: "config.json", text: strings.NewReplacer(`"bounding": []`, `"bounding": ["CAP_NET_BIND_SERVICE"], "permitted": ["CAP_NET_BIND_SERVICE"]`, `"uid": 7`, `"uid": 0`, `"type": "network"`, `"type": "user"`, `"linux": {`, "\"linux\": {\n    \"uidMappings\": [],\n    \"gidMappings\": [],").Replace(bundleLow), caps: "=", changes: "host-users", has: []string{`-      {"type": "user"}`, "-    \"uidMappings\""}},
	"bundle own network": {file: "config.json", text: strings.NewReplacer(`"bounding": []`, `"bounding": ["CAP_NET_BIND_SERVICE"], "permitted": ["CAP_NET_BIND_SERVICE"]`, `"uid": 7`, `"uid": 0`, `"type": "network"`, `"type": "user"`).Replace(bundleLow), caps: "=", changes: "own-network", has: []string{`+      {"type":"network"}`}},

	"unit ambient":    {file: "x.service", text: unitLow, caps: "=", changes: "ambient", has: []string{"+AmbientCapabilities=CAP_NET_BIND_SERVICE"}},
	"unit root":       {file: "x.service", text: unitLow, caps: "=", changes: "run-as-root", has: []string{"+User=root"}},
	"unit capability": {file: "x.service", text: "[Service]\nExecStart=/bin/cat\nCapabilityBoundingSet=CAP_CHOWN\n", caps: "=", changes: "add-capability", has: []string{"+CapabilityBoundingSet=CAP_NET_BIND_SERVICE"}},
	"unit users":      {file: "x.service", text: "[Service]\nExecStart=/bin/cat\nPrivateUsers=yes\n", caps: "=", changes: "host-users", has: []string{"+PrivateUsers=no"}},
	"unit new privs":  {file: "x.service", text: unitLow + "NoNewPrivileges=yes\n", caps: "cap_net_bind_service=p", changes: "allow-new-privs", has: []string{"+NoNewPrivileges=no"}},
	"unit calls":      {file: "x.service", text: "[Service]\nExecStart=/bin/cat\nSystemCallFilter=~@network-io\n", caps: "=", changes: "allow-calls", has: []string{"+SystemCallFilter=@network-io"}},
	"unit families":   {file: "x.service", text: "[Service]\nExecStart=/bin/cat\nRestrictAddressFamilies=AF_UNIX\n", caps: "=", changes: "allow-families", has: []string{"+RestrictAddressFamilies=AF_INET AF_INET6"}},
	"unit exec":       {file: "x.service", text: "[Service]\nExecStart=/bin/cat\nNoExecPaths=/\n", caps: "=", changes: "allow-exec", has: []string{"+NoExecPaths="}},
	"unit direct":     {file: "x.service", text: "[Service]\nExecStart=-/usr/bin/env A=b /bin/cat 'a b' 100%%\nUser=nobody\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n", caps: "cap_net_raw=p", changes: "direct+ambient"},
	"unit file":       {file: "x.service", text: unitLow, caps: "=", changes: "file-grant-effective", has: []string{"sudo setcap cap_net_bind_service=ep /usr/bin/cat"}},

	"systemd-run": {command: []string{"systemd-run", "--property=User=nobody", "/bin/cat"}, caps: "=", changes: "ambient", has: []string{"--property=AmbientCapabilities=CAP_NET_BIND_SERVICE /bin/cat"}},
}

// TestPatched holds that each change is written into each kind of source, and that the
// changed text, read again, works: [Options.Patch] returns no other.
func TestPatched(t *testing.T) {
	for name, tc := range patchedSources {
		found, o := tc.read(t, name)
		outlook := diagnose.Weigh(law.Kernel{}, found.Start, nil)
		var seen []string
		offered := ""
		for i := range outlook.Remedies {
			r := &outlook.Remedies[i]
			p, err := o.Patch(law.Kernel{}, found, r)
			if _, hand := err.(patch.ByHand); err != nil && !hand { //nolint:errorlint // as it is
				t.Errorf("%s: %s (%s): %v", name, r.Change(), r.How, err)
			}
			seen = append(seen, r.Change())
			if r.Change() == tc.changes {
				offered = p.File + p.Text
			}
		}
		for _, text := range tc.has {
			if !strings.Contains(offered, text) {
				t.Errorf("%s: no %q in the patch of %s:\n%s\nremedies: %v", name, text, tc.changes, offered, seen)
			}
		}
	}
}

func (p *patched) read(t *testing.T, name string) (Found, Options) {
	t.Helper()
	caps, err := filecap.FromText(p.caps)
	if err != nil {
		t.Fatal(err)
	}
	if caps.Permitted == 0 {
		caps = filecap.Caps{}
	}
	o := Options{Version: p.version, Given: lookup.Given{FileCaps: &caps, User: p.user, Listens: []scenario.Listen{scenario.NewListen("tcp", 80, 80, "the test")}}}
	if p.policy != "" {
		if o.Policy, err = policy.ByName(p.policy); err != nil {
			t.Fatal(err)
		}
	}
	if p.version == "" && (p.file == "compose.yaml" || p.command != nil && strings.Contains(strings.Join(p.command, " "), "docker")) {
		o.Version = "28.2.2"
	}
	if p.changes == "publish-elsewhere" {
		o.Given.Listens = nil
	}
	var found []Found
	if p.command != nil {
		found, err = o.Command(p.command)
	} else {
		path := filepath.Join(t.TempDir(), p.file)
		if err := os.WriteFile(path, []byte(p.text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err = o.Files([]string{path}, nil)
	}
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d starts, %v", name, len(found), err)
	}
	return found[0], o
}
