package main_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// both calls fn for upstream's program and for ours, each in surroundings of
// its own, and compares what it returns.
func both(t *testing.T, fn func(t *testing.T, program string) []string) {
	t.Helper()
	want, got := fn(t, upstream(t, "")), fn(t, ours(t, ""))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upstream -, ours +\n%s", diff)
	}
	if len(want) == 0 {
		t.Error("nothing was compared")
	}
}

// origin matches what Caddy puts before the error of the HTTP app when it loads
// that app by itself. Ours has loaded it before, for the receipt, and Caddy
// repeats the error without it. This is the one difference in wording.
var origin = regexp.MustCompile(`(loading http app module: )(provision http: |http: invalid configuration: )`)

// unstable matches what differs between two runs of the same program.
var unstable = regexp.MustCompile(`0x[0-9a-f]{6,}|capwise-caddy-[0-9]+/(home|program)-[0-9]+|127\.0\.0\.1:[0-9]{5}|pid=[0-9]+`)

func normal(text string) string {
	return unstable.ReplaceAllString(origin.ReplaceAllString(text, "$1"), "#")
}

// messages returns the errors of a log, and lines that are no log.
func messages(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "goroutine ") {
			return all // the stack of a panic names the program's own lines
		}
		parsed := entries(line)
		if len(parsed) == 0 {
			all = append(all, normal(line))
		} else if e := parsed[0]; e["level"] == "error" {
			all = append(all, normal(fmt.Sprintf("error %v", e["msg"])))
		}
	}
	return all
}

func TestSameModules(t *testing.T) {
	p := newPlace(t, nil, 0)
	list := func(program string) []string {
		return strings.Fields(regexp.MustCompile(`(?m)^  .*$`).ReplaceAllString(p.run(program, "list-modules").stdout, ""))
	}
	want, got := list(upstream(t, "")), list(ours(t, ""))
	if len(want) < 100 {
		t.Fatalf("upstream lists %q", want)
	}
	if diff := cmp.Diff(append(want, "admin.api.capabilities", "caddy.packetconns.buffers"), got); diff != "" {
		t.Errorf("upstream and two more -, ours +\n%s", diff)
	}
	out := p.run(ours(t, ""), "list-modules", "--skip-standard")
	if !strings.Contains(out.stdout, "Non-standard modules: 2\n") {
		t.Errorf("got %s", out.stdout)
	}
}

func TestSameHelp(t *testing.T) {
	p := newPlace(t, nil, 0)
	mine := regexp.MustCompile(`(?m)^  capabilities .*\n`)
	want, got := p.run(upstream(t, ""), "help").stdout, p.run(ours(t, ""), "help").stdout
	if !mine.MatchString(got) {
		t.Errorf("the command is not in the list:\n%s", got)
	}
	if diff := cmp.Diff(want, mine.ReplaceAllString(got, "")); diff != "" {
		t.Errorf("upstream -, ours +\n%s", diff)
	}
	for _, command := range []string{"run", "start", "stop", "reload", "adapt", "validate", "fmt", "file-server", "respond", "reverse-proxy"} {
		want, got := p.run(upstream(t, ""), command, "--help"), p.run(ours(t, ""), command, "--help")
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
			t.Errorf("%s: upstream -, ours +\n%s", command, diff)
		}
	}
}

// TestSameVersion holds that ours names the version of Caddy that it is made
// of. Upstream's own program knows its version only if it was installed.
func TestSameVersion(t *testing.T) {
	p := newPlace(t, nil, 0)
	info := p.run(upstream(t, ""), "build-info").stdout
	out := p.run(ours(t, ""), "version")
	version, _, _ := strings.Cut(strings.TrimSpace(out.stdout), " ")
	if out.code != 0 || !regexp.MustCompile(`^v2\.\d+\.\d+$`).MatchString(version) {
		t.Errorf("exit code %d, %q", out.code, out.stdout)
	}
	if !strings.Contains(info, "github.com/caddyserver/caddy/v2") {
		t.Errorf("upstream's program is not upstream's: %s", info)
	}
	if built := p.run(ours(t, ""), "build-info").stdout; !strings.Contains(built, "github.com/caddyserver/caddy/v2\t"+version) {
		t.Errorf("made of another version than %s:\n%s", version, built)
	}
}

// configurations is a set of good and bad ones, by file name.
var configurations = map[string]string{
	"plain.caddyfile":       highPorts,
	"several.caddyfile":     "a.internal, b.internal {\n\ttls internal\n\trespond a\n}\n\nhttp://c.internal:8081 {\n\tfile_server browse\n\tencode zstd gzip\n}\n",
	"unformatted.txt":       ":8080 {\nrespond ok\n}\n",
	"snippets.caddyfile":    "(s) {\n\trespond {args[0]}\n}\n\n:8080 {\n\timport s ok\n}\n",
	"directive.caddyfile":   ":8080 {\n\tnosuch\n}\n",
	"braces.caddyfile":      ":8080 {\n\trespond ok\n",
	"empty.caddyfile":       "",
	"good.json":             `{"apps": {"http": {"servers": {"a": {"listen": [":8080"]}}}}}`,
	"id.json":               `{"@id": "top", "apps": {"http": {"servers": {"a": {"@id": "a", "listen": [":8080"]}}}}}`,
	"null.json":             `null`,
	"nothing.json":          `{}`,
	"syntax.json":           `{"apps": `,
	"field.json":            `{"nosuch": 1}`,
	"app.json":              `{"apps": {"nosuch": {}}}`,
	"null_app.json":         `{"apps": {"http": null}}`,
	"handler.json":          `{"apps": {"http": {"servers": {"a": {"routes": [{"handle": [{"handler": "nosuch"}]}]}}}}}`,
	"listen.json":           `{"apps": {"http": {"servers": {"a": {"listen": [":x"]}}}}}`,
	"listen_protocols.json": `{"apps": {"http": {"servers": {"a": {"listen": [":8080"], "listen_protocols": [["h1"], ["h1"]]}}}}}`,
	"network.json":          `{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": ["tcpx/:8080"]}}}}}`,
	"datagram.json":         `{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": ["udp/:8080"]}}}}}`,
	"descriptor.json":       `{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": ["fd/99"]}}}}}`,
	"placeholder.json":      `{"apps": {"http": {"servers": {"a": {"listen": ["{env.CAPWISE_UNSET}:8080"]}}}}}`,
	"admin.json":            `{"admin": {"listen": "localhost:1-2"}}`,
	"admin_network.json":    `{"admin": {"listen": "nosuch/:2019"}}`,
	"certificate.json":      `{"apps": {"tls": {"certificates": {"load_files": [{"certificate": "nosuch.pem", "key": "nosuch.pem"}]}}}}`,
	"storage.json":          `{"storage": {"module": "nosuch"}}`,
	"log.json":              `{"logging": {"logs": {"default": {"writer": {"output": "nosuch"}}}}}`,
}

// TestSameCommands holds that the commands which ask about a configuration
// give upstream's output, errors and exit codes.
func TestSameCommands(t *testing.T) {
	for name := range configurations {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, program string) []string {
				p := newPlace(t, nil, 0)
				file := p.file(name, configurations[name])
				var seen []string
				commands := [][]string{{"validate", "--config", file}}
				if !strings.HasSuffix(name, ".json") {
					commands = append(commands,
						[]string{"adapt", "--config", file, "--pretty"},
						[]string{"adapt", "--config", file, "--adapter", "caddyfile", "--validate"},
						[]string{"fmt", file},
						[]string{"fmt", "--diff", file})
				}
				for _, args := range commands {
					out := p.run(program, args...)
					seen = append(seen, fmt.Sprintf("%s: %d %s", args[0], out.code, normal(out.stdout)))
					seen = append(seen, messages(out.stderr)...)
				}
				return append(seen, slices.Sorted(maps.Keys(files(t, p.home)))...)
			})
		})
	}
}

// TestSameMistakes holds the same for wrong command lines.
func TestSameMistakes(t *testing.T) {
	both(t, func(t *testing.T, program string) []string {
		p := newPlace(t, nil, 0)
		var seen []string
		for _, args := range [][]string{
			{},
			{"nosuch"},
			{"run", "--nosuch"},
			{"run", "--config", "nosuch"},
			{"run", "--adapter", "caddyfile"},
			{"validate"},
			{"adapt"},
			{"fmt"},
			{"fmt", "-"},
			{"reload"},
			{"reload", "--config", "nosuch"},
			{"validate", "--envfile", "nosuch"},
			{"storage", "export"},
			{"hash-password", "--plaintext", ""},
			{"--version"},
			{"version", "more"},
			{"file-server", "--listen", "nosuch:x"},
			{"respond", "--listen", "nosuch:x"},
		} {
			out := p.run(program, args...)
			if len(args) == 1 && args[0] == "--version" || len(args) == 0 || slices.Contains(args, "version") {
				out.stdout = "" // compared by itself
			}
			seen = append(seen, fmt.Sprintf("%q: %d %s", args, out.code, normal(out.stdout)))
			seen = append(seen, messages(out.stderr)...)
		}
		return seen
	})
}

// TestSameStarts holds that a configuration starts, or does not, as upstream.
func TestSameStarts(t *testing.T) {
	for name := range configurations {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, program string) []string {
				n := newNetwork(t)
				p := newPlace(t, n, 0)
				config := "{\n\tskip_install_trust\n}\n" + configurations[name]
				if !strings.HasSuffix(name, ".caddyfile") || name == "empty.caddyfile" {
					config = configurations[name]
				}
				s := p.start(program, "run", "--config", p.file(name, config))
				seen := []string{normal(s.started())}
				if seen[0] == "serves" {
					seen = append(seen, openSockets(t, s.cmd.Process.Pid)...)
				}
				return seen
			})
		})
	}
}
