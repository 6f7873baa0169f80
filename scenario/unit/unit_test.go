package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/scenario"
)

const bind = capset.Set(1 << capset.NetBindService)

// service parses a unit of one command with these lines.
func service(t *testing.T, version string, lines ...string) scenario.Start {
	t.Helper()
	text := "[Service]\nExecStart=/usr/bin/web\n" + strings.Join(lines, "\n")
	starts, err := Parse(Unit{File: File{"web.service", text}, System: System{Version: version}})
	if err != nil || len(starts) != 1 {
		t.Fatalf("%q: %d starts, %v", lines, len(starts), err)
	}
	return starts[0]
}

func TestLoad(t *testing.T) {
	starts, err := System{Version: "252"}.Load("testdata/system/web.service")
	if err != nil || len(starts) != 1 {
		t.Fatalf("%d starts, %v", len(starts), err)
	}
	got := starts[0]
	want := scenario.Start{
		Name: "web.service", Syntax: scenario.Unit,
		Where: scenario.Where{File: "testdata/system/web.service.d/20-second.conf", Line: 3, Path: "Service.ExecStart"},
		Settings: scenario.Settings{
			Runtime: scenario.Runtime{Name: scenario.Systemd, Version: "252"}, Granted: bind,
			NoNewPrivs: true, Sandbox: scenario.Sandbox{Nosuid: []string{"/usr", "/boot", "/efi", "/etc"}}, Network: scenario.NetworkHost, PortStart: scenario.Unset,
		},
		Request: scenario.Request{Entrypoint: []string{"/usr/sbin/web2"}, Args: []string{}, User: "www-data", UserOfHost: true},
		Notes: []string{
			socketNote("ListenStream", "80", "web.socket"), socketNote("ListenStream", "[::]:443", "web.socket"),
			socketNote("ListenDatagram", "53", "web.socket"),
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if _, err := (System{}).Load("testdata/system/none.service"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such unit: %v", err)
	}
	if _, err := (System{}).Load("testdata/system/web.socket"); err == nil || !strings.Contains(err.Error(), "no ExecStart=") {
		t.Errorf("a socket: %v", err)
	}
}

func TestCommands(t *testing.T) {
	starts, err := System{Version: "252"}.Load("testdata/system/job@blue.service")
	if err != nil || len(starts) != 3 {
		t.Fatalf("%d starts, %v", len(starts), err)
	}
	first, second, third := starts[0], starts[1], starts[2]
	if first.Name != "job@blue.service (ExecStart= 1)" || first.Settings.UID != dynamicUID || !first.Settings.NoNewPrivsImplied || !first.Settings.Sandbox.MountedNosuid("/usr/bin/x") {
		t.Errorf("first: %+v", first)
	}
	if s := second.Settings; s.UID != 0 || s.NoNewPrivs || s.Sandbox.MountedNosuid("/usr/bin/x") || s.Granted != capset.All || second.Where.Line != 5 {
		t.Errorf("with +: %+v", second)
	}
	if s := third.Settings; s.UID != 0 || !s.NoNewPrivs || fmt.Sprint(third.Request.Args) != "[a ; b]" {
		t.Errorf("with !: %+v", third)
	}
}

// TestCapabilities is what systemd 252.38 made of these lines.
func TestCapabilities(t *testing.T) {
	kill, chown := capset.Of(capset.Kill), capset.Of(capset.Chown)
	for lines, want := range map[string]struct{ file, run capset.Set }{
		"":                      {capset.All, capset.All},
		"CAP_KILL\nCAP_CHOWN":   {kill | chown, chown},
		"~CAP_KILL\nCAP_CHOWN":  {capset.All &^ kill, chown},
		"~CAP_KILL\nCAP_KILL":   {capset.All, kill},
		"CAP_KILL\n~CAP_KILL":   {0, capset.All &^ kill},
		"CAP_KILL\n\nCAP_CHOWN": {chown, chown},
		"~CAP_KILL\n~CAP_CHOWN": {capset.All &^ (kill | chown), capset.All &^ chown},
		"\n~CAP_CHOWN":          {0, capset.All &^ chown},
		"CAP_KILL\n~":           {capset.All, capset.All},
		"cap_kill":              {kill, kill},
		"kill":                  {0, 0},
		"CAP_FOO CAP_KILL":      {kill, kill},
		"CAP_FOO":               {0, 0},
		"~CAP_FOO":              {capset.All, capset.All},
		"5":                     {kill, kill},
		"CAP_KILL,CAP_CHOWN":    {0, 0},
	} {
		var file []string
		args := []string{"systemd-run"}
		if lines != "" {
			for line := range strings.SplitSeq(lines, "\n") {
				file = append(file, "CapabilityBoundingSet="+line)
				args = append(args, "-pCapabilityBoundingSet="+line)
			}
		}
		if got := service(t, "", file...).Settings.Granted; got != want.file {
			t.Errorf("%q in a file: %s, want %s", lines, got, want.file)
		}
		start, err := Caller{}.Run(append(args, "web"))
		if err != nil || start.Settings.Granted != want.run {
			t.Errorf("%q to systemd-run: %s, %v, want %s", lines, start.Settings.Granted, err, want.run)
		}
	}
	if notes := service(t, "", "CapabilityBoundingSet=CAP_FOO").Notes; !strings.Contains(fmt.Sprint(notes), "web.service:3: unknown capability") {
		t.Errorf("notes %q", notes)
	}
}

func TestAmbient(t *testing.T) {
	for lines, want := range map[string]capset.Set{
		"AmbientCapabilities=CAP_NET_BIND_SERVICE":                                                bind,
		"AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_KILL\nAmbientCapabilities=~CAP_KILL":        bind,
		"AmbientCapabilities=CAP_KILL\nAmbientCapabilities=":                                      0,
		"AmbientCapabilities=~CAP_KILL":                                                           capset.All &^ capset.Of(capset.Kill),
		"AmbientCapabilities=CAP_KILL\nCapabilityBoundingSet=CAP_CHOWN":                           0,
		"AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SYS_TIME\nProtectClock=yes":                 bind,
		"AmbientCapabilities=CAP_NET_BIND_SERVICE\n# AmbientCapabilities=\n;AmbientCapabilities=": bind,
	} {
		if got := service(t, "", lines).Settings.Ambient; got != want {
			t.Errorf("%q: %s, want %s", lines, got, want)
		}
	}
}

func TestNoNewPrivs(t *testing.T) {
	type want struct{ on, implied, nosuid bool }
	for lines, w := range map[string]want{
		"":                                              {},
		"NoNewPrivileges=yes":                           {on: true},
		"NoNewPrivileges=yes\nNoNewPrivileges=":         {},
		"NoNewPrivileges=yes\nPrivateTmp=yes":           {on: true},
		"NoNewPrivileges=yes\nProtectSystem=yes":        {on: true, nosuid: true},
		"NoNewPrivileges=yes\nReadOnlyPaths=/var -/usr": {on: true, nosuid: true},
		"NoNewPrivileges=yes\nReadOnlyPaths=/usr\nReadOnlyPaths=":      {on: true},
		"NoNewPrivileges=yes\nBindPaths=/a:/usr/bin:rbind":             {on: true, nosuid: true},
		"NoNewPrivileges=yes\nBindPaths=/usr/bin:/a":                   {on: true},
		"NoNewPrivileges=yes\nProtectHome=read-only\nPrivateUsers=yes": {on: true},
		"ProtectSystem=strict":                                         {},
		"User=7\nLockPersonality=yes":                                  {on: true, implied: true},
		"User=7\nLockPersonality=yes\nNoNewPrivileges=no":              {on: true, implied: true},
		"User=7\nLockPersonality=yes\nProtectSystem=strict":            {on: true, implied: true},
		"User=7\nLockPersonality=no":                                   {},
		"User=7\nProtectSystem=strict\nPrivateNetwork=yes":             {},
		"User=7\nSystemCallFilter=~@clock":                             {on: true, implied: true},
		"User=7\nSystemCallFilter=@clock\nSystemCallFilter=":           {},
		"User=7\nAmbientCapabilities=CAP_SYS_ADMIN\nProtectClock=on":   {on: true, implied: true},
		"User=root\nLockPersonality=yes":                               {},
		"LockPersonality=yes\nCapabilityBoundingSet=":                  {},
		"DynamicUser=yes\nNoNewPrivileges=no":                          {true, true, true},
	} {
		s := service(t, "252.38", lines).Settings
		if got := (want{s.NoNewPrivs, s.NoNewPrivsImplied, s.Sandbox.MountedNosuid("/usr/bin/x")}); got != w {
			t.Errorf("%q: %+v, want %+v", lines, got, w)
		}
	}
	newer := service(t, "257", "User=7", "LockPersonality=yes", "RestrictRealtime=yes")
	if newer.Settings.NoNewPrivs || len(newer.Unknowns) > 0 {
		t.Errorf("systemd 257: %+v", newer)
	}
	any := service(t, "", "User=7", "LockPersonality=yes", "RestrictRealtime=yes")
	if any.Settings.NoNewPrivs || len(any.Unknowns) != 1 || any.Unknowns[0].Fact != scenario.FactRuntime || !strings.Contains(any.Unknowns[0].Cases[1].If, "LockPersonality=, RestrictRealtime=") {
		t.Errorf("some systemd: %+v", any)
	}
}

func TestSettings(t *testing.T) {
	for lines, check := range map[string]func(scenario.Start) bool{
		"User=web\nGroup=www\nSupplementaryGroups=a b\nSupplementaryGroups=7": func(s scenario.Start) bool {
			return s.Request.User == "web:www" && fmt.Sprint(s.Request.Groups) == "[a b 7]"
		},
		"Group=33": func(s scenario.Start) bool {
			return s.Request.User == ":33" && s.Settings.GID == 33 && s.Settings.UID == 0
		},
		"User=65532":      func(s scenario.Start) bool { return s.Settings.UID == 65532 && s.Settings.GID == 65532 },
		"User=web\nUser=": func(s scenario.Start) bool { return s.Request.User == "" },
		"PrivateUsers=yes": func(s scenario.Start) bool {
			return s.Settings.UserNamespace && s.Settings.Network == scenario.NetworkHost
		},
		"PrivateUsers=identity":             func(s scenario.Start) bool { return s.Settings.UserNamespace },
		"PrivateNetwork=1":                  func(s scenario.Start) bool { return s.Settings.Network == scenario.NetworkPrivate },
		"PrivateNetwork=maybe":              func(s scenario.Start) bool { return strings.Contains(fmt.Sprint(s.Notes), "web.service:3: \"maybe\"") },
		"NetworkNamespacePath=/run/netns/x": func(s scenario.Start) bool { return s.Settings.Network == scenario.NetworkJoined },
		"SecureBits=noroot noroot-locked\nSecureBits=keep-caps": func(s scenario.Start) bool {
			return s.Settings.Securebits == cred.KeepCaps
		},
		"SecureBits=noroot\nSecureBits=":         func(s scenario.Start) bool { return s.Settings.Securebits == 0 },
		`Environment="A=b c" 'PATH=/x y:/z' C=d`: func(s scenario.Start) bool { return s.Request.Path == "/x y:/z" },
		"PrivateDevices=yes": func(s scenario.Start) bool {
			return s.Settings.Granted == capset.All&^capset.Of(capset.Mknod, capset.SysRawio)
		},
		"RootDirectory=/srv/root": func(s scenario.Start) bool { return s.Request.Root == "/srv/root" },
		"SocketBindDeny=any":      func(s scenario.Start) bool { return len(s.Unknowns) == 1 && s.Unknowns[0].Fact == scenario.FactHost },
		"nonsense": func(s scenario.Start) bool {
			return strings.Contains(fmt.Sprint(s.Notes), "web.service:3: a line without =")
		},
		"[Install]\nUser=7":           func(s scenario.Start) bool { return s.Request.User == "" },
		"DynamicUser=yes\nUser=web":   func(s scenario.Start) bool { return s.Request.User == "" && s.Settings.UID == dynamicUID },
		"DynamicUser=yes\nUser=root":  func(s scenario.Start) bool { return s.Settings.UID == 0 && s.Settings.NoNewPrivs },
		"User=7 \\\n":                 func(s scenario.Start) bool { return s.Request.User == "7" },
		"User=\\\n#x\n\\\n8\nGroup=9": func(s scenario.Start) bool { return s.Request.User == "8:9" },
	} {
		if s := service(t, "", lines); !check(s) {
			t.Errorf("%q: %+v", lines, s)
		}
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		`a  b	c`:           "a|b|c",
		`"a b"'c d' e`:     "a bc d|e",
		`a\x20b\040c\tq\\`: "a b c\tq\\",
		`"it's" '"'`:       `it's|"`,
		`\u00e9\U0001F600`: "é😀",
		`x\;y`:             "x;y",
		`""`:               "",
		``:                 "",
	} {
		words, err := splitWords(text)
		if err != nil || strings.Join(words, "|") != want {
			t.Errorf("%s: %q, %v; want %q", text, words, err, want)
		}
	}
	for _, text := range []string{`"a`, `a\`, `\q`, `\x4`, `\400`, `\x00`, `\uqqqq`} {
		if words, err := splitWords(text); err == nil {
			t.Errorf("%s: %q, want an error", text, words)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "u: no ExecStart=",
		"[Service]\nExecStart=\n":           "no ExecStart=",
		"[Service":                          `u:1: section "[Service"`,
		"[Service]\n\nExecStart=/bin/a \"b": "u:3: ExecStart=/bin/a \"b: a quotation mark",
		"[Service]\nExecStart=-":            "u:2: ExecStart=-: no program behind -",
		"[Service]\nExecStart=/bin/a \\q":   "an escape",
		"# c\n[Service]\n# c\nExecStart=/a\\\n#c\n '": "u:4: ExecStart",
	} {
		_, err := Parse(Unit{File: File{"u", text}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	for line, check := range map[string]func(scenario.Start) bool{
		"systemd-run --wait -Pq -u web -p User=7 -pNoNewPrivileges=yes web -p x": func(s scenario.Start) bool {
			return s.Name == "web" && s.Settings.UID == 7 && s.Settings.NoNewPrivs && fmt.Sprint(s.Request.Args) == "[-p x]"
		},
		"systemd-run --uid=web --gid=www -E PATH=/x:/y web":            func(s scenario.Start) bool { return s.Request.User == "web:www" && s.Request.Path == "/x:/y" },
		"sudo systemd-run --property=DynamicUser=yes web":              func(s scenario.Start) bool { return s.Settings.NoNewPrivs && s.Settings.Sandbox.MountedNosuid("web") },
		"systemd-run -p ProtectSystem=strict -p NoNewPrivileges=1 web": func(s scenario.Start) bool { return s.Settings.Sandbox.MountedNosuid("web") },
		"systemd-run --socket-property=ListenStream=80 web":            func(s scenario.Start) bool { return strings.Contains(fmt.Sprint(s.Notes), "ListenStream=80") },
		"systemd-run --scope --uid=5 -p NoNewPrivileges=yes web": func(s scenario.Start) bool {
			return s.Settings.Runtime.Name == scenario.Shell && s.Settings.UID == 5 && !s.Settings.NoNewPrivs
		},
		"systemd-run --user -p AmbientCapabilities=CAP_KILL -p LockPersonality=yes web": func(s scenario.Start) bool {
			return s.Settings.UID == 1000 && s.Settings.Ambient == 0 && s.Settings.NoNewPrivs
		},
		"systemd-run -S":        func(s scenario.Start) bool { return s.Request.Entrypoint[0] == "/bin/sh" },
		"systemd-run ./web -x":  func(s scenario.Start) bool { return s.Request.Entrypoint[0] == "/srv/web" && s.Request.Args[0] == "-x" },
		"systemd-run --new web": func(s scenario.Start) bool { return strings.Contains(fmt.Sprint(s.Notes), "--new is unknown") },
	} {
		s, err := Caller{UID: 1000, WorkDir: "/srv", Version: "257"}.Run(strings.Fields(line))
		if err != nil || !check(s) {
			t.Errorf("%s: %+v, %v", line, s, err)
		}
	}
	for line, want := range map[string]string{
		"": "not systemd-run", "systemctl": "not systemd-run", "systemd-run": "no program",
		"systemd-run -p User web": "want NAME=VALUE", "systemd-run -p": "needs an argument", "systemd-run --user=x a": "want true or false",
		"systemd-run ./web": "the working directory is not known",
	} {
		if _, err := (Caller{}).Run(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// TestFlagsOfTheInstalledCommand holds the list of flags beside the command's help.
func TestFlagsOfTheInstalledCommand(t *testing.T) {
	help, err := exec.Command(need.Tool(t, "systemd-run"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^ +(?:-(.) |   )--([a-z-]+)(=\S+)? `).FindAllStringSubmatch(string(help), -1)
	if len(flags) < 20 {
		t.Fatalf("%d flags in %s", len(flags), help)
	}
	for _, f := range flags {
		if systemdRun.Values[f[2]] != (f[3] != "") || systemdRun.Bools[f[2]] != (f[3] == "") || f[1] != "" && systemdRun.Short[f[1][0]] != f[2] {
			t.Errorf("--%s is not in the list as %q", f[2], f[0])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[Service]\nExecStart=-/bin/a \"b c\" \\\n#c\n d ; +/bin/b\nUser=\\x20", "CapabilityBoundingSet=~CAP_KILL")
	f.Add("\ufeff[Service]\nExecStart=@a b\\;", "[Service]\nBindPaths=:::\nSecureBits=x")
	f.Fuzz(func(t *testing.T, unit, dropIn string) {
		starts, err := Parse(Unit{File: File{"u", unit}, DropIns: []File{{"d", dropIn}}, Sockets: []File{{"s", dropIn}}})
		if (err == nil) == (len(starts) == 0) {
			t.Errorf("%d starts and error %v", len(starts), err)
		}
		for _, s := range starts {
			if len(s.Request.Entrypoint) != 1 || s.Where.Line < 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzRun(f *testing.F) {
	f.Add("-p\nUser=7\n-qPGweb\n--scope\n-E\nPATH=\"\\\na\nb")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Caller{UID: 7, Version: "252"}.Run(append([]string{"systemd-run"}, strings.Split(text, "\n")...))
	})
}
