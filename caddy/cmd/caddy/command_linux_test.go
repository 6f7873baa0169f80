package main_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	highPorts = ":8080 {\n\trespond ok\n}\n"
	lowPort   = "http://:80 {\n\trespond ok\n}\n"
)

// TestCommandAnswers holds the exit codes and the outputs of "caddy
// capabilities" as a user without capabilities gets them.
func TestCommandAnswers(t *testing.T) {
	p := newPlace(t, newNetwork(t), nobody)
	bare, permitted := ours(t, ""), ours(t, "cap_net_bind_service=p")
	high, low := p.file("Highfile.caddyfile", highPorts), p.file("low.caddyfile", lowPort)
	p.file("Caddyfile", highPorts)
	for _, tc := range []struct {
		name, program, stdin string
		args                 []string
		code                 int
		says                 string // a regular expression for stdout
	}{
		{"high ports", bare, "", []string{"--config", high}, 0, `^ok +tcp/localhost:2019 +admin +port 2019 needs no capability\nok +tcp/:8080 +http.servers.srv0 +port 8080 needs no capability\npermitted: nothing; net.ipv4.ip_unprivileged_port_start: 1024\n$`},
		{"Caddyfile of the directory", bare, "", nil, 0, `(?m)^ok +tcp/:8080 `},
		{"low port, no file capability", bare, "", []string{"--config", low}, 2, `(?m)^FAIL +tcp/:80 +http.servers.srv0 +port 80 needs CAP_NET_BIND_SERVICE here \(net.ipv4.ip_unprivileged_port_start is 1024\): it is in the bounding set, but ` + regexp.QuoteMeta(bare) + ` carries no file capability that permits it; remedy: .*setcap cap_net_bind_service=p ` + regexp.QuoteMeta(bare)},
		{"low port, permitted", permitted, "", []string{"--config", low}, 0, `(?m)^ok +tcp/:80 .*permitted and gets raised for the bind$`},
		{"standard input", bare, lowPort, []string{"--config", "-", "--adapter", "caddyfile"}, 2, `(?m)^FAIL +tcp/:80 `},
		{"standard input, JSON", bare, `{"admin": {"listen": ":99"}}`, []string{"-c", "-"}, 2, `(?m)^FAIL +tcp/:99 +admin +port 99 `},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := p.runWith(tc.stdin, tc.program, append([]string{"capabilities"}, tc.args...)...)
			if out.code != tc.code || !regexp.MustCompile(tc.says).MatchString(out.stdout) {
				t.Errorf("exit code %d, stdout:\n%s\nwant %d and %s\nstderr:\n%s", out.code, out.stdout, tc.code, tc.says, out.stderr)
			}
			noErrors(t, out.stderr)
			js := p.runWith(tc.stdin, tc.program, append([]string{"capabilities", "--format", "json"}, tc.args...)...)
			if js.code != tc.code || decodeReceipt(t, js.stdout).OK != (tc.code == 0) {
				t.Errorf("--format json: exit code %d, want %d; stdout:\n%s", js.code, tc.code, js.stdout)
			}
			if strings.Count(out.stdout, "FAIL") != strings.Count(js.stdout, `"needs": "fail"`) {
				t.Errorf("the formats differ:\n%s\n%s", out.stdout, js.stdout)
			}
		})
	}
}

// noErrors holds that an answer, even a bad one, is no error in the log.
func noErrors(t testing.TB, log string) {
	t.Helper()
	for _, e := range entries(log) {
		if e["level"] == "error" {
			t.Errorf("an error in the log: %v", e["msg"])
		}
	}
}

// TestCommandRefuses holds that a question which cannot be answered gets exit
// code 1 and one clear line, and nothing on standard output.
func TestCommandRefuses(t *testing.T) {
	p := newPlace(t, nil, 0)
	good := p.file("good.caddyfile", highPorts)
	for _, tc := range []struct {
		name  string
		stdin string
		args  []string
		says  string
	}{
		{"format", "", []string{"--config", good, "--format", "yaml"}, `--format "yaml": want text or json`},
		{"no such file", "", []string{"--config", "nosuch.json"}, "nosuch.json: no such file"},
		{"no configuration", "", nil, "no configuration: name one with --config"},
		{"empty file", "", []string{"--config", p.file("empty.json", "")}, "no configuration"},
		{"broken Caddyfile", "", []string{"--config", p.file("broken.caddyfile", ":8080 {\n\tnosuch\n}\n")}, "broken.caddyfile:2: unrecognized directive: nosuch"},
		{"broken JSON", "", []string{"--config", p.file("broken.json", `{"apps": `)}, "config is not valid JSON"},
		{"unknown field", "", []string{"--config", p.file("field.json", `{"nosuch": 1}`)}, `field.json: json: unknown field "nosuch"`},
		{"unknown module", "", []string{"--config", p.file("module.json", `{"apps": {"nosuch": {}}}`)}, "module.json: loading nosuch app module: unknown module: nosuch"},
		{"unknown adapter", "", []string{"--config", good, "--adapter", "nosuch"}, "unrecognized config adapter: nosuch"},
		{"adapter alone", "", []string{"--adapter", "caddyfile"}, "cannot adapt config without config file"},
		{"broken standard input", "{", []string{"--config", "-"}, "config is not valid JSON"},
		{"an argument", "", []string{good}, "unknown command"},
		{"unknown flag", "", []string{"--nosuch"}, "unknown flag: --nosuch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := p.runWith(tc.stdin, ours(t, ""), append([]string{"capabilities"}, tc.args...)...)
			if out.code != 1 || out.stdout != "" || !strings.Contains(unquoted(out.stderr), tc.says) {
				t.Errorf("exit code %d, stdout %q, stderr:\n%s\nwant 1 and %q", out.code, out.stdout, out.stderr, tc.says)
			}
			failures := 0
			for line := range strings.Lines(out.stderr) {
				if strings.HasPrefix(line, "Error: ") || strings.Contains(line, `"level":"error"`) {
					failures++
				}
			}
			if failures != 1 {
				t.Errorf("%d errors, want one:\n%s", failures, out.stderr)
			}
		})
	}
}

// unquoted returns the messages of a JSON log, and lines that are none as they are.
func unquoted(log string) string {
	var all strings.Builder
	for line := range strings.Lines(log) {
		var e struct{ Msg string }
		if json.Unmarshal([]byte(line), &e) == nil {
			line = e.Msg + "\n"
		}
		all.WriteString(line)
	}
	return all.String()
}

func TestCommandHelp(t *testing.T) {
	p := newPlace(t, nil, 0)
	out := p.run(ours(t, ""), "capabilities", "--help")
	for _, want := range []string{"Examples:", "$ caddy capabilities --config Caddyfile", "exit code is 0", "--format string", "--adapter string"} {
		if out.code != 0 || !strings.Contains(out.stdout, want) {
			t.Errorf("exit code %d, no %q in\n%s", out.code, want, out.stdout)
		}
	}
	if out = p.run(ours(t, ""), "help"); !strings.Contains(out.stdout, "capabilities") {
		t.Errorf("not in the list of commands:\n%s", out.stdout)
	}
}

// TestCommandLeavesNothing holds that the question leaves what upstream's
// "caddy validate" leaves, apart from log files, which it does not make; and
// that it opens no port.
func TestCommandLeavesNothing(t *testing.T) {
	for name, config := range map[string]string{
		"plain":    "{\n\tlog {\n\t\toutput file {env.HOME}/caddy.log\n\t}\n}\n:8080 {\n\tlog {\n\t\toutput file {env.HOME}/access.log\n\t}\n\trespond ok\n}\n",
		"internal": "{\n\tskip_install_trust\n}\nlocalhost:8443 {\n\trespond ok\n}\n",
		"public":   "example.com {\n\trespond ok\n}\n",
		"sockets":  ":8080 {\n\tbind unix/{env.HOME}/http.sock\n\trespond ok\n}\n",
		"storage":  "{\n\tstorage file_system {env.HOME}/store\n}\nexample.com {\n\trespond ok\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			validated, asked := newPlace(t, nil, 0), newPlace(t, nil, 0)
			v := validated.run(upstream(t, ""), "validate", "--config", validated.file("site.caddyfile", config))
			a := asked.run(ours(t, ""), "capabilities", "--config", asked.file("site.caddyfile", config))
			if v.code != 0 || a.code != 0 && a.code != 2 {
				t.Fatalf("exit codes %d, %d\n%s\n%s", v.code, a.code, v.stderr, a.stderr)
			}
			want := files(t, validated.home)
			for path := range want {
				if strings.HasSuffix(path, ".log") {
					delete(want, path)
				}
			}
			if diff := cmp.Diff(want, files(t, asked.home)); diff != "" {
				t.Errorf("validate -, capabilities +\n%s", diff)
			}
		})
	}
}

// files lists what is below a directory, with modes.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		found[strings.TrimPrefix(path, dir+"/")] = info.Mode().String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
