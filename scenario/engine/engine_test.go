package engine

import (
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/flags"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/scenario"
)

// parse reads a command line whose words hold no spaces.
func parse(t *testing.T, line string) scenario.Start {
	t.Helper()
	start, err := Parse(strings.Fields(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return start
}

func TestCapabilities(t *testing.T) {
	bind, admin := capset.Of(capset.NetBindService), capset.Of(capset.NetAdmin)
	docker := scenario.Runtime{Name: scenario.Docker}.Behaviour().Default
	podman := scenario.Runtime{Name: scenario.Podman}.Behaviour().Default
	for line, want := range map[string]struct{ granted, added capset.Set }{
		"docker run caddy":                                                     {docker, 0},
		"docker run --cap-drop=ALL caddy":                                      {0, 0},
		"docker run --cap-drop all --cap-add net_bind_service caddy":           {bind, bind},
		"docker run --cap-add CAP_NET_BIND_SERVICE --cap-drop=ALL caddy":       {bind, bind},
		"docker run --cap-drop=NET_BIND_SERVICE caddy":                         {docker &^ bind, 0},
		"docker run --cap-drop=NET_BIND_SERVICE --cap-add=cap_net_admin caddy": {docker&^bind | admin, admin},
		"docker run --cap-drop=NET_BIND_SERVICE --cap-add=Net_Bind_Service c":  {docker, bind},
		"docker run --cap-add=ALL --cap-drop=CAP_NET_BIND_SERVICE caddy":       {capset.All &^ bind, capset.All},
		"docker run --cap-add=ALL --cap-drop=ALL caddy":                        {capset.All, capset.All},
		"docker run --privileged --cap-drop=ALL caddy":                         {capset.All, 0},
		"docker run --privileged=false --cap-drop=ALL caddy":                   {0, 0},
		"podman run caddy": {podman, 0},
		"podman run --cap-drop=all --cap-add=NET_BIND_SERVICE,net_admin caddy": {bind | admin, bind | admin},
		"podman run --cap-add=all --cap-drop=net_admin caddy":                  {capset.All &^ admin, capset.All},
		"podman run --privileged caddy":                                        {capset.All, 0},
	} {
		start := parse(t, line)
		if start.Settings.Granted != want.granted || start.Settings.Added != want.added {
			t.Errorf("%s: granted %s, added %s; want %s and %s", line, start.Settings.Granted, start.Settings.Added, want.granted, want.added)
		}
	}
}

func TestProgram(t *testing.T) {
	type request = scenario.Request
	for line, want := range map[string]request{
		"docker run caddy":                                      {Image: "caddy"},
		"docker run -itd --rm caddy caddy run -p x":             {Image: "caddy", Args: []string{"caddy", "run", "-p", "x"}},
		"docker --context x -H unix:///s -D container run -- c": {Image: "c"},
		"docker create --entrypoint /bin/sh c":                  {Image: "c", Entrypoint: []string{"/bin/sh"}, Args: []string{}},
		"docker run --entrypoint= c sleep 1":                    {Image: "c", Entrypoint: []string{}, Args: []string{"sleep", "1"}},
		`docker run --entrypoint ["a"] c`:                       {Image: "c", Entrypoint: []string{`["a"]`}, Args: []string{}},
		`podman run --entrypoint ["a","b"] c`:                   {Image: "c", Entrypoint: []string{"a", "b"}, Args: []string{}},
		"docker run -u 1000 c":                                  {Image: "c", User: "1000"},
		"docker run -u1000:33 c":                                {Image: "c", User: "1000:33"},
		"docker run -u=www-data --init c":                       {Image: "c", User: "www-data", Init: true},
		"docker run --init=0 --user=a --user=b c":               {Image: "c", User: "b"},
		"docker run --group-add 5 --group-add video c":          {Image: "c", Groups: []string{"5", "video"}},
		"podman run --group-add 5,video c":                      {Image: "c", Groups: []string{"5", "video"}},
		"docker run -e A=b -e PATH=/x:/y c":                     {Image: "c", Path: "/x:/y"},
		"/usr/bin/podman --log-level debug create -ti c":        {Image: "c"},
		"sudo docker run -d=true --name x -v /a:/b:ro c":        {Image: "c"},
		"podman run --userns=keep-id c":                         {Image: "c", User: "1000:1000"},
		"podman run --userns=keep-id:uid=5,gid=6 c":             {Image: "c", User: "5:6"},
		"podman run --userns=keep-id -u 0 c":                    {Image: "c", User: "0"},
	} {
		if start := parse(t, line); !reflect.DeepEqual(start.Request, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", line, start.Request, want)
		}
	}
}

func TestSettings(t *testing.T) {
	type s = scenario.Settings
	for line, want := range map[string]s{
		"docker run c":                                                 {PortStart: scenario.Unset},
		"docker run -u 1000 c":                                         {UID: 1000, PortStart: scenario.Unset},
		"docker run -u 1000:33 --group-add 7 c":                        {UID: 1000, GID: 33, PortStart: scenario.Unset},
		"docker run --security-opt no-new-privileges c":                {NoNewPrivs: true, PortStart: scenario.Unset},
		"docker run --security-opt=no-new-privileges:true c":           {NoNewPrivs: true, PortStart: scenario.Unset},
		"docker run --security-opt=no-new-privileges=1 c":              {NoNewPrivs: true, PortStart: scenario.Unset},
		"docker run --security-opt=no-new-privileges:false c":          {PortStart: scenario.Unset},
		"docker run --sysctl net.ipv4.ip_unprivileged_port_start=80 c": {PortStart: 80, SetsPortStart: true},
		"docker run --sysctl net/ipv4/ip_unprivileged_port_start=0 c":  {PortStart: 0, SetsPortStart: true},
		"docker run --sysctl net.core.somaxconn=99 c":                  {PortStart: scenario.Unset},
		"docker run --network=host c":                                  {Network: scenario.NetworkHost, PortStart: scenario.Unset},
		"docker run --net host c":                                      {Network: scenario.NetworkHost, PortStart: scenario.Unset},
		"docker run --network none c":                                  {PortStart: scenario.Unset},
		"docker run --network name=web,alias=a c":                      {PortStart: scenario.Unset},
		"docker run --network container:x c":                           {Network: scenario.NetworkJoined, PortStart: scenario.Unset},
		"podman run --pod x c":                                         {Network: scenario.NetworkJoined, PortStart: scenario.Unset},
		"podman run --network ns:/run/netns/x c":                       {Network: scenario.NetworkJoined, PortStart: scenario.Unset},
		"podman run --network slirp4netns:mtu=1 c":                     {PortStart: scenario.Unset},
		"podman run --userns=auto c":                                   {UserNamespace: true, PortStart: scenario.Unset},
		"podman run --userns=host c":                                   {PortStart: scenario.Unset},
		"podman run --uidmap 0:100000:5 --network=host c":              {UserNamespace: true, Network: scenario.NetworkHost, PortStart: scenario.Unset},
	} {
		got := parse(t, line).Settings
		got.Runtime, got.Granted, got.Added = scenario.Runtime{}, 0, 0
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", line, got, want)
		}
	}
}

func TestRootless(t *testing.T) {
	caller := Caller{Rootless: true, UID: 1001, GID: 100}
	start, err := caller.Parse(strings.Fields("podman run --network host --userns keep-id c"))
	if err != nil || !start.Settings.UserNamespace || start.Settings.Network != scenario.NetworkHost || start.Settings.UID != 1001 || start.Settings.GID != 100 {
		t.Errorf("podman: %+v, %v", start.Settings, err)
	}
	start, err = caller.Parse(strings.Fields("docker run --network host c"))
	if err != nil || !start.Settings.UserNamespace || start.Settings.Network != scenario.NetworkJoined || start.Settings.PortStart != 1024 {
		t.Errorf("docker: %+v, %v", start.Settings, err)
	}
	start, err = caller.Parse(strings.Fields("sudo podman run c"))
	if err != nil || start.Settings.UserNamespace {
		t.Errorf("sudo: %+v, %v", start.Settings, err)
	}
}

func TestListens(t *testing.T) {
	for line, want := range map[string]string{
		"docker run -p 80 c":                              "tcp :80",
		"docker run -p8080:80 c":                          "tcp :80",
		"docker run --publish=127.0.0.1:8080:80/TCP c":    "tcp :80",
		"docker run -p [::1]:53:53/udp -p 53:53 c":        "udp :53 tcp :53",
		"docker run -p 8080-8082:80-82 c":                 "ports 80-82/tcp",
		"docker run -p 10000-20000:10000-20000/udp c":     "ports 10000-20000/udp",
		"docker run -p 80:80 -p 8080:80 --expose 443 c":   "tcp :80 tcp :443",
		"docker run --expose 53/udp --expose 9000-9001 c": "udp :53 ports 9000-9001/tcp",
		"docker run -p 127.0.0.1::80 -p 9:9/sctp c":       "tcp :80",
	} {
		var got []string
		for _, l := range parse(t, line).Listens {
			got = append(got, l.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: listens on %q, want %q", line, got, want)
		}
	}
	if l := parse(t, "docker run -p 8080:80 c").Listens[0]; l.From != "-p 8080:80" {
		t.Errorf("from %q", l.From)
	}
}

func TestUnknownFlags(t *testing.T) {
	for line, want := range map[string]struct{ image, note string }{
		"docker run --new=x c":                {"c", "--new is unknown"},
		"docker run --new c":                  {"c", "no value"},
		"docker run --new --rm c":             {"c", "no value"},
		"docker run --new x --cap-drop ALL c": {"c", "since --cap-drop follows"},
		"docker run --new x -u 5 c":           {"c", "since -u follows"},
		"docker run --new x c run":            {"c", "ambiguous: --new"},
		"docker run -ix c":                    {"c", "-x is unknown"},
		"podman --newer run c":                {"c", "--newer is unknown"},
	} {
		start := parse(t, line)
		if start.Request.Image != want.image || !strings.Contains(strings.Join(start.Notes, "\n"), want.note) {
			t.Errorf("%s: image %q, notes %q", line, start.Request.Image, start.Notes)
		}
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                                "no command",
		"nerdctl run c":                   `"nerdctl" is neither`,
		"docker":                          "want run or create",
		"docker exec c":                   `docker: "exec c": want run or create`,
		"docker container ls":             `"container ls"`,
		"docker compose up":               `docker: "compose up": want run or create; what compose starts is in its file`,
		"docker run":                      "docker: run: no image",
		"docker run --rm --":              "no image",
		"docker run --user":               "--user needs an argument",
		"docker run -itu":                 "-u needs an argument",
		"docker run --cap-add NET_BIN c":  `--cap-add=NET_BIN: unknown capability "NET_BIN"`,
		"docker run --cap-add A,B c":      `unknown capability "A,B"`,
		"docker run --cap-drop 10 c":      `unknown capability "10"`,
		"docker run --privileged=maybe c": "want true or false",
		"docker run --init=maybe c":       "want true or false",
		"docker run -p http c":            `-p: port "http": "http" is not a port number`,
		"docker run -p 80/icmp c":         `unknown protocol "icmp"`,
		"docker run -p 90-80 c":           "ends before it begins",
		"docker run -p 65536 c":           "not a port number",
		"docker run --expose 1:2 c":       "want PORT",
		"docker run --sysctl x c":         "want NAME=VALUE",
		"docker run --sysctl net.ipv4.ip_unprivileged_port_start=-1 c": "want a port number",
		"docker run --security-opt no-new-privileges=maybe c":          "want no-new-privileges",
		"podman run --userns=mine c":                                   "--userns=mine",
		"podman run --cap-add all --cap-drop all c":                    "refuses",
		"podman run --cap-add kill --cap-drop kill c":                  "refuses to both add and drop cap_kill",
	} {
		_, err := Parse(strings.Fields(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	start := parse(t, "docker run --network host --sysctl net.ipv4.ip_unprivileged_port_start=0 c")
	if start.Refused == nil || start.Refused.Cause != scenario.CauseSysctlHostNetwork {
		t.Errorf("refused: %+v", start.Refused)
	}
}

func TestNotes(t *testing.T) {
	for line, want := range map[string]string{
		"docker run --security-opt seccomp=my.json c":      "seccomp profile my.json",
		"docker run --security-opt apparmor=mine c":        "apparmor profile mine",
		"docker run --security-opt label=type:x c":         "SELinux",
		"docker run --network container:db c":              "that of db",
		"podman run --pod web c":                           "pod web",
		"docker run --runtime runsc c":                     "runsc",
		"podman run --rootfs /srv/root":                    "a directory",
		"podman run --group-add keep-groups c":             "keep-groups",
		"podman run --userns container:x c":                "user namespace",
		"docker run --privileged --cap-drop ALL c":         "--privileged gives",
		"docker run -p 1000-2000:1000-2000 c":              "",
		"docker run --security-opt seccomp=unconfined c":   "",
		"docker run --security-opt label=disable -it c sh": "",
	} {
		notes := strings.Join(parse(t, line).Notes, "\n")
		if want == "" && notes != "" || !strings.Contains(notes, want) {
			t.Errorf("%s: notes %q, want %q", line, notes, want)
		}
	}
}

// TestFlagsOfTheInstalledCommands holds the lists of flags beside what the
// commands themselves say.
func TestFlagsOfTheInstalledCommands(t *testing.T) {
	for name, syntaxes := range map[string]map[string]flags.Syntax{
		"docker": {"": dockerGlobal, "run": dockerRun, "create": dockerRun},
		"podman": {"": podmanGlobal, "run": podmanRun, "create": podmanRun},
	} {
		t.Run(name, func(t *testing.T) {
			tool := need.Tool(t, name)
			for verb, syntax := range syntaxes {
				help, err := exec.Command(tool, append(strings.Fields(verb), "--help")...).Output()
				if err != nil {
					t.Fatal(err)
				}
				compareWithHelp(t, name+" "+verb, string(help), syntax)
			}
		})
	}
}

// helpLine matches a flag, with its short form, its name and its kind of value.
var helpLine = regexp.MustCompile(`(?m)^ +(?:-(.), |    )?--([a-z0-9-]+)(?: ([^\s]\S*))?(?:\s{2,}.*)?$`)

func compareWithHelp(t *testing.T, command, help string, syntax flags.Syntax) {
	_, help, _ = strings.Cut(help, "Options:\n")
	flags := helpLine.FindAllStringSubmatch(help, -1)
	if len(flags) < 8 {
		t.Fatalf("%s: %d flags in its help: %s", command, len(flags), help)
	}
	for _, f := range flags {
		short, name, value := f[1], f[2], f[3]
		if syntax.Values[name] != (value != "") || syntax.Bools[name] != (value == "") {
			t.Errorf("%s --%s takes the value %q; in our lists it takes one: %v, takes none: %v",
				command, name, value, syntax.Values[name], syntax.Bools[name])
		}
		if short != "" && syntax.Short[short[0]] != name {
			t.Errorf("%s -%s is --%s, not --%s", command, short, name, syntax.Short[short[0]])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"docker run -itp80:80 --cap-drop ALL caddy", "podman --root x run --userns=keep-id:uid=1 -- c d",
		"docker run --network name=host,x --sysctl a=b c", `podman run --entrypoint ["a"] -e PATH=x --expose 1-2/udp c`,
	} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\n")
		before := slices.Clone(args)
		start, err := Parse(args)
		if err == nil && start.Request.Image == "" && !slices.Contains(args, "") {
			t.Errorf("%q: neither an image nor an error", args)
		}
		if !slices.Equal(args, before) {
			t.Errorf("%q became %q", before, args)
		}
	})
}
