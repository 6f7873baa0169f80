package lookup_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

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

// TestChain holds what is executed one after the other.
func TestChain(t *testing.T) {
	for args, want := range map[string]string{
		"caddy run":                          "/usr/bin/caddy",
		"/usr/bin/caddy":                     "/usr/bin/caddy",
		"/entry caddy run":                   "/bin/sh /usr/bin/caddy",
		"/entry-tini caddy run":              "/bin/sh /sbin/tini /usr/bin/caddy",
		"/entry-odd caddy":                   "/bin/sh note",
		"/entry-env caddy":                   "/usr/bin/env /usr/bin/caddy",
		"tini -s -p SIGTERM -- caddy run":    "/sbin/tini /usr/bin/caddy",
		"dumb-init --rewrite 15:3 caddy":     "/usr/bin/dumb-init /usr/bin/caddy",
		"dumb-init -- /entry gosu web caddy": "/usr/bin/dumb-init /bin/sh /usr/sbin/gosu 33:/usr/bin/caddy",
		"env A=B caddy":                      "/usr/bin/env /usr/bin/caddy",
		"busybox sh -c exec|caddy":           "/bin/busybox /usr/bin/caddy",
		"sh -c caddy|run":                    "/bin/sh /usr/bin/caddy",
		"sh -c caddy|&&|true":                "/bin/sh note",
		"sh":                                 "/bin/sh",
		"tini":                               "/sbin/tini",
		"gosu":                               "/usr/sbin/gosu",
		"setpriv --reuid=1 caddy":            "/usr/bin/setpriv note",
		"nothing":                            "not-found",
		"./nothing":                          "not-found",
		"/data":                              "not-executable",
		"/lost":                              "not-found",
		"/round":                             "/round note",
		"/nested caddy":                      "/bin/sh /usr/bin/caddy",
	} {
		s := scenario.Start{Request: scenario.Request{Args: fields(args)}}
		lookup.Resolve(&s, image, scenario.ImageConfig{}, lookup.Given{})
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
	// Without files, what is executed is not known, and said to be so.
	s := scenario.Start{Request: scenario.Request{Image: "caddy", User: "web", Init: true}}
	lookup.Resolve(&s, nil, scenario.ImageConfig{}, lookup.Given{Listens: []scenario.Listen{{Port: 80}}})
	if len(s.Notes) != 2 || s.Settings.UID == 0 || s.Program.Last().Path != "caddy" || len(s.Program.Chain) != 2 || len(s.Listens) != 1 {
		t.Errorf("without files: %+v", s)
	}
}
