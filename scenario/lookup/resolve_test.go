package lookup_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

var bind = capset.Of(capset.NetBindService)

// files is a file system in memory: the content by path. A path that begins
// with "+p " or "+ep " has that file capability, one with "- " no bit to execute.
type files map[string]string

func (f files) String() string { return "image test" }

func (f files) Stat(name string) (scenario.FileInfo, error) {
	for mark, file := range map[string]law.File{
		"": {}, "- ": {},
		"+p ":  {Caps: filecap.Caps{Permitted: bind, Revision: filecap.V2}},
		"+ep ": {Caps: filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}},
	} {
		if _, ok := f[mark+name]; ok {
			mode := fs.FileMode(0o755)
			if mark == "- " {
				mode = 0o644
			}
			return scenario.FileInfo{Path: name, Mode: mode, File: file}, nil
		}
	}
	return scenario.FileInfo{}, fs.ErrNotExist
}

func (f files) Head(name string, n int) ([]byte, error) {
	for _, mark := range []string{"", "- ", "+p ", "+ep "} {
		if text, ok := f[mark+name]; ok {
			return []byte(text)[:min(n, len(text))], nil
		}
	}
	return nil, fs.ErrNotExist
}

const exec = "#!/bin/sh\nset -e\nif [ \"$1\" = caddy ]; then echo; fi\nexec \"$@\"\n"

var image = files{
	"/bin/sh": "\x7fELF", "/bin/busybox": "\x7fELF", "/sbin/tini": "\x7fELF", "/usr/bin/dumb-init": "\x7fELF", "/usr/bin/env": "\x7fELF",
	"/usr/sbin/gosu": "\x7fELF", "/usr/bin/setpriv": "\x7fELF", "+p /usr/bin/caddy": "\x7fELF", "+ep /coredns": "\x7fELF", "- /data": "text",
	"/entry": exec, "/entry-tini": "#!/bin/sh\nexec /sbin/tini -g -- \"$@\"\n", "/entry-odd": "#!/bin/sh\nexec $PROGRAM\n",
	"/entry-env": "#!/usr/bin/env -S sh\nexec \"${@}\"\n", "/lost": "#!/nowhere/sh\n", "/round": "#!/round\n", "/nested": "#!/entry\nexec \"$@\"\n",
	"- /etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:\nodd:x:a:b::/:\n", "- /etc/group": "root:x:0:\nweb:x:44:\n",
}

// scripts reads scripts of one line that matters.
type scripts struct{}

func (scripts) Endings(text string, args []string, _ *uint32) []lookup.Ending {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	line := strings.TrimPrefix(lines[len(lines)-1], "exec ")
	if strings.Contains(line, "$PROGRAM") || strings.Contains(line, "&&") {
		return nil
	}
	var out []string
	for _, word := range strings.Fields(line) {
		if word == `"$@"` || word == `"${@}"` {
			out = append(out, args[1:]...)
		} else {
			out = append(out, word)
		}
	}
	return []lookup.Ending{{Args: out}}
}

// TestChain holds what is executed one after the other.
func TestChain(t *testing.T) {
	for args, want := range map[string]string{
		"caddy run":                          "/usr/bin/caddy",
		"/usr/bin/caddy":                     "/usr/bin/caddy",
		"/entry caddy run":                   "/bin/sh /usr/bin/caddy",
		"/entry-tini caddy run":              "/bin/sh /sbin/tini /usr/bin/caddy",
		"/entry-odd caddy":                   "/bin/sh unknown",
		"/entry-env caddy":                   "/usr/bin/env /bin/sh /usr/bin/caddy",
		"tini -s -p SIGTERM -- caddy run":    "/sbin/tini /usr/bin/caddy",
		"dumb-init --rewrite 15:3 caddy":     "/usr/bin/dumb-init /usr/bin/caddy",
		"dumb-init -- /entry gosu web caddy": "/usr/bin/dumb-init /bin/sh /usr/sbin/gosu 33:/usr/bin/caddy",
		"env A=B caddy":                      "/usr/bin/env /usr/bin/caddy",
		"env - A=B caddy":                    "/usr/bin/env /usr/bin/caddy",
		"env -i -u X -S caddy|run":           "/usr/bin/env /usr/bin/caddy",
		"busybox sh -c exec|caddy":           "/bin/busybox /usr/bin/caddy",
		"sh -c caddy|run":                    "/bin/sh /usr/bin/caddy",
		"sh -c caddy|&&|true":                "/bin/sh unknown",
		"sh":                                 "/bin/sh",
		"tini":                               "/sbin/tini",
		"gosu":                               "/usr/sbin/gosu",
		"setpriv --reuid=1 caddy":            "/usr/bin/setpriv 1:/usr/bin/caddy",
		"setpriv --euid=1 caddy":             "/usr/bin/setpriv unknown",
		"nothing":                            "not-found",
		"./nothing":                          "not-found",
		"/data":                              "not-executable",
		"/lost":                              "not-found",
		"/round":                             "unknown note",
		"/nested caddy":                      "/bin/sh unknown",
	} {
		s := scenario.Start{Request: scenario.Request{Args: fields(args)}}
		lookup.Resolve(&s, image, scenario.ImageConfig{}, lookup.Given{Scripts: scripts{}})
		if got := describe(&s); got != want {
			t.Errorf("%s: got %s, want %s (notes %q, refused %+v)", args, got, want, s.Notes, s.Refused)
		}
	}
}

// fields splits at spaces; a bar stands for a space within a field.
func fields(text string) []string {
	out := strings.Fields(text)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "|", " ")
	}
	return out
}

func describe(s *scenario.Start) string {
	if s.Refused != nil {
		return string(s.Refused.Cause)
	}
	var words []string
	for _, step := range s.Program.Chain {
		if len(s.Unknowns) > 0 && step.Path == "" {
			words = append(words, "unknown")
			continue
		}
		if sw := step.Switch; sw != nil && sw.UID != nil {
			words = append(words, fmt.Sprint(*sw.UID, ":", step.Path))
		} else {
			words = append(words, step.Path)
		}
	}
	if len(s.Notes) > 0 {
		words = append(words, "note")
	}
	return strings.Join(words, " ")
}

// TestRequest holds how what the source says goes before what the image says.
func TestRequest(t *testing.T) {
	config := scenario.ImageConfig{User: "web", Entrypoint: []string{"tini", "--"}, Cmd: []string{"caddy", "run"}, Exposed: []string{"80", "443/udp", "x/tcp"}}
	for name, tc := range map[string]struct {
		request  scenario.Request
		want     string
		uid, gid uint32
	}{
		"image":      {scenario.Request{}, "/sbin/tini /usr/bin/caddy", 33, 34},
		"args":       {scenario.Request{Args: []string{"/coredns"}}, "/sbin/tini /coredns", 33, 34},
		"entrypoint": {scenario.Request{Entrypoint: []string{"/coredns"}}, "/coredns", 33, 34},
		"user":       {scenario.Request{User: "0", Entrypoint: []string{"caddy"}}, "/usr/bin/caddy", 0, 0},
		"number":     {scenario.Request{User: "1000", Entrypoint: []string{"caddy"}}, "/usr/bin/caddy", 1000, 0},
		"group":      {scenario.Request{User: "web:web", Entrypoint: []string{"caddy"}}, "/usr/bin/caddy", 33, 44},
		"init":       {scenario.Request{Init: true, Entrypoint: []string{"caddy"}}, "/sbin/docker-init /usr/bin/caddy", 33, 34},
		"path":       {scenario.Request{Path: "/nowhere", Entrypoint: []string{"caddy"}}, "not-found", 33, 34},
		"nobody":     {scenario.Request{User: "nobody", Entrypoint: []string{"caddy"}}, "unknown-user", 0, 0},
		"no numbers": {scenario.Request{User: "odd", Entrypoint: []string{"caddy"}}, "unknown-user", 0, 0},
		"no group":   {scenario.Request{User: "web:nobody", Entrypoint: []string{"caddy"}}, "unknown-user", 33, 0},
		"only group": {scenario.Request{User: ":web", Entrypoint: []string{"caddy"}}, "/usr/bin/caddy", 33, 44},
		"by name":    {scenario.Request{NonRoot: true, Entrypoint: []string{"caddy"}}, "run-as-non-root", 33, 34},
		"non-root":   {scenario.Request{NonRoot: true, User: "root", Entrypoint: []string{"caddy"}}, "run-as-non-root", 0, 0},
	} {
		s := scenario.Start{Request: tc.request}
		lookup.Resolve(&s, image, config, lookup.Given{})
		s.Notes = nil
		if got := describe(&s); got != tc.want || s.Settings.UID != tc.uid || s.Settings.GID != tc.gid {
			t.Errorf("%s: got %s as %d:%d, want %s as %d:%d", name, got, s.Settings.UID, s.Settings.GID, tc.want, tc.uid, tc.gid)
		}
		if len(s.Listens) != 2 || s.Listens[1].Network != "udp" || s.Listens[1].Port != 443 {
			t.Errorf("%s: listens on %v", name, s.Listens)
		}
	}
}

// TestGiven holds what the reader says, and what follows from the file.
func TestGiven(t *testing.T) {
	dumb := filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}
	for name, tc := range map[string]struct {
		program   string
		given     lookup.Given
		awareness scenario.Awareness
		caps      string
	}{
		"permitted": {"caddy", lookup.Given{}, scenario.Aware, "cap_net_bind_service=p"},
		"effective": {"/coredns", lookup.Given{}, scenario.Dumb, "cap_net_bind_service=ep"},
		"none":      {"sh", lookup.Given{}, scenario.Dumb, "="},
		"said":      {"sh", lookup.Given{Awareness: scenario.Aware}, scenario.Aware, "="},
		"file":      {"caddy", lookup.Given{FileCaps: &dumb}, scenario.Dumb, "cap_net_bind_service=ep"},
	} {
		s := scenario.Start{Request: scenario.Request{Args: []string{tc.program}}}
		lookup.Resolve(&s, image, scenario.ImageConfig{}, tc.given)
		if p := s.Program; p.Awareness != tc.awareness || p.Last().File.Caps.String() != tc.caps {
			t.Errorf("%s: got %s with %s, want %s with %s", name, p.Awareness, p.Last().File.Caps, tc.awareness, tc.caps)
		}
	}
}

// TestNotKnown holds what nobody knows without files, and what the first case of each is.
func TestNotKnown(t *testing.T) {
	permitted := filecap.Caps{Permitted: bind, Revision: filecap.V2}
	for name, tc := range map[string]struct {
		request scenario.Request
		given   lookup.Given
		want    string
	}{
		"image":            {scenario.Request{Image: "web"}, lookup.Given{}, "image-user(2) file-capabilities(3)"},
		"kubelet":          {scenario.Request{Image: "web", NonRoot: true}, lookup.Given{}, "image-user(3) file-capabilities(3)"},
		"user said":        {scenario.Request{Image: "web"}, lookup.Given{User: "7"}, "file-capabilities(3)"},
		"user of source":   {scenario.Request{Image: "web", User: "7"}, lookup.Given{User: "0"}, "file-capabilities(3)"},
		"group of source":  {scenario.Request{Image: "web", User: ":7"}, lookup.Given{}, "image-user(2) file-capabilities(3)"},
		"file said":        {scenario.Request{Image: "web", User: "7"}, lookup.Given{FileCaps: &permitted}, ""},
		"dumb":             {scenario.Request{Image: "web", User: "7"}, lookup.Given{Awareness: scenario.Dumb}, "file-capabilities(2)"},
		"argument":         {scenario.Request{Image: "web", User: "7", Args: []string{"-l", "80"}}, lookup.Given{}, "file-capabilities(3)"},
		"wrapper":          {scenario.Request{Image: "web", User: "0", Args: []string{"gosu", "7", "/srv"}}, lookup.Given{}, "gosu 7:/srv file-capabilities(3)"},
		"wrapper by name":  {scenario.Request{Image: "web", User: "0", Entrypoint: []string{"tini", "--", "su-exec", "app", "/srv"}, Args: []string{}}, lookup.Given{}, "tini su-exec 65532:/srv file-capabilities(3)"},
		"shell":            {scenario.Request{Image: "web", User: "7", Entrypoint: []string{"sh", "-c", "exec /srv"}, Args: []string{}}, lookup.Given{FileCaps: &permitted}, "sh /srv"},
		"shell, not told":  {scenario.Request{Image: "web", User: "0", Entrypoint: []string{"sh", "-c", "a && b"}, Args: []string{}}, lookup.Given{}, "sh unknown program(4)"},
		"shell, told more": {scenario.Request{Image: "web", User: "0", Entrypoint: []string{"sh", "-c", "a && b"}, Args: []string{}}, lookup.Given{FileCaps: &permitted}, "sh "},
	} {
		s := scenario.Start{Request: tc.request}
		tc.given.Scripts = scripts{}
		lookup.Resolve(&s, nil, scenario.ImageConfig{}, tc.given)
		s.Notes = nil
		words := []string{describe(&s)}
		for _, u := range s.Unknowns {
			words = append(words, fmt.Sprintf("%s(%d)", u.Fact, len(u.Cases)))
		}
		want := tc.want
		if len(s.Program.Chain) == 1 && len(s.Unknowns) > 0 {
			want = "unknown " + want
		}
		if got := strings.TrimSpace(strings.Join(words, " ")); got != strings.TrimSpace(want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// looked is files whose programs were looked into.
type looked struct {
	files
	result aware.Result
	err    error
}

func (l looked) Program(string) (aware.Result, error) { return l.result, l.err }

// TestRaises holds that a capability which is permitted only is no sign that the program
// raises it: what its file says counts, and what nobody knows is said to be unknown.
func TestRaises(t *testing.T) {
	for name, tc := range map[string]struct {
		program string
		result  aware.Result
		err     error
		given   lookup.Given
		want    scenario.Awareness
		unsure  bool
	}{
		"aware":              {"caddy", aware.Result{Answer: aware.Aware}, nil, lookup.Given{}, scenario.Aware, false},
		"dumb":               {"caddy", aware.Result{Answer: aware.Dumb}, nil, lookup.Given{}, scenario.Dumb, false},
		"unknown":            {"caddy", aware.Result{Answer: aware.Unknown}, nil, lookup.Given{}, scenario.Aware, true},
		"not read":           {"caddy", aware.Result{}, fs.ErrPermission, lookup.Given{}, scenario.Aware, true},
		"unknown, said":      {"caddy", aware.Result{Answer: aware.Unknown}, nil, lookup.Given{Awareness: scenario.Dumb}, scenario.Dumb, false},
		"aware, effective":   {"/coredns", aware.Result{Answer: aware.Aware}, nil, lookup.Given{}, scenario.Aware, false},
		"unknown, effective": {"/coredns", aware.Result{Answer: aware.Unknown}, nil, lookup.Given{}, scenario.Dumb, false},
		"aware, none":        {"sh", aware.Result{Answer: aware.Aware}, nil, lookup.Given{}, scenario.Aware, false},
	} {
		s := scenario.Start{Request: scenario.Request{Args: []string{tc.program}}}
		lookup.Resolve(&s, looked{image, tc.result, tc.err}, scenario.ImageConfig{}, tc.given)
		unsure := len(s.Unknowns) == 1 && s.Unknowns[0].Fact == scenario.FactRaises
		if s.Program.Awareness != tc.want || unsure != tc.unsure {
			t.Errorf("%s: got %s, unknown %t, want %s, %t", name, s.Program.Awareness, unsure, tc.want, tc.unsure)
		}
	}
}
