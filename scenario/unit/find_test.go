package unit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/scenario"
)

// machine writes the tree of a machine: text, or "-> TARGET" for a link.
func machine(t *testing.T, files map[string]string) System {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			err = errors.Join(err, os.Symlink(target, file))
		} else {
			err = errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return System{Root: root, Version: "252"}
}

func TestDropInNames(t *testing.T) {
	for name, want := range map[string]string{
		"web.service":       "web.service",
		"a-b-c.service":     "a-b-c.service a-b-.service a-.service",
		"a-b-.service":      "a-b-.service a-.service",
		"t@x.service":       "t@x.service t@.service",
		"a-t@x.service":     "a-t@x.service a-t@.service a-.service a-@x.service a-@.service",
		"t@a-b.service":     "t@a-b.service t@.service",
		"-.service":         "-.service",
		"t@1.2-x.y.service": "t@1.2-x.y.service t@.service",
	} {
		if got := strings.Join(dropInNames(name), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestSpecifiers(t *testing.T) {
	s := machine(t, map[string]string{"etc/hostname": "box.example\n", "etc/machine-id": "0123\n"})
	of := func(name, text string) string { return specifiers{unit: name, tree: newTree(s.Root)}.in(text) }
	for text, want := range map[string]string{
		"%i|%I|%p|%P|%j|%J": `srv-a\x20b|srv/a b|web-app|web/app|app|app`,
		"%n|%N|%f":          `web-app@srv-a\x20b.service|web-app@srv-a\x20b|/srv/a b`,
		"%u %U %g %G %h":    "root 0 root 0 /root",
		"%t %S %C %L %E":    "/run /var/lib /var/cache /var/log /etc",
		"%H %l %m %d":       `box.example box 0123 /run/credentials/web-app@srv-a\x20b.service`,
		"%%i %b %z %":       "%i %b %z %",
	} {
		if got := of(`web-app@srv-a\x20b.service`, text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := of("t@.service", "%i %n %p %%"); got != "%i %n t %" {
		t.Errorf("of a template: %s", got)
	}
	if got := of("web.service", "%i|%f|%n"); got != "|/web|web.service" {
		t.Errorf("of no instance: %s", got)
	}
	if got := of("", "%n %t"); got != "%n /run" {
		t.Errorf("of no name: %s", got)
	}
}

func TestFind(t *testing.T) {
	const service = "[Service]\nExecStart=/bin/x\n"
	s := machine(t, map[string]string{
		"lib/systemd/system/web.service":                       service,
		"etc/systemd/system/web.service.d/b.conf":              "[Service]\nUser=b\n",
		"run/systemd/system/web.service.d/b.conf":              "[Service]\nUser=hidden\n",
		"run/systemd/system.control/web.service.d/c.conf":      "[Service]\nUser=c\n",
		"usr/local/lib/systemd/system/service.d/a.conf":        "[Service]\nUser=a\n",
		"etc/systemd/system/over.service":                      service,
		"lib/systemd/system/over.service":                      service,
		"etc/systemd/system/also.service":                      "-> /lib/systemd/system/web.service",
		"etc/systemd/system/loop.service":                      "-> loop.service",
		"etc/systemd/system/masked.service":                    "-> /dev/null",
		"etc/systemd/system/t@.service":                        service,
		"etc/systemd/system/fifo.service/x":                    "",
		"srv/beside.service":                                   service,
		"srv/beside.service.d/x.conf":                          "[Service]\nUser=x\n",
		"etc/systemd/system/beside.service.d/not-for-srv.conf": "[Service]\nUser=y\n",
		"etc/systemd/system/dangling.service.d/x.conf":         "-> /nowhere",
		"etc/systemd/system/dangling.service":                  service,
	})
	for name, want := range map[string]string{
		"web":                             "web.service: a.conf b.conf c.conf",
		"web.service":                     "web.service: a.conf b.conf c.conf",
		"/lib/systemd/system/web.service": "web.service: a.conf b.conf c.conf",
		s.Root + "/lib/systemd/system/web.service": "web.service: a.conf b.conf c.conf",
		"also":                              "web.service: a.conf b.conf c.conf",
		"t@x":                               "t@x.service: a.conf",
		"/etc/systemd/system/t@1.2.service": "t@1.2.service: a.conf",
		"/srv/beside.service":               "beside.service: x.conf",
		"dangling":                          "dangling.service: a.conf",
		"/lib/systemd/system/over.service":  "over.service: a.conf note",
		"/etc/systemd/system/over.service":  "over.service: a.conf",
	} {
		u, err := s.Find(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := u.Name + ":"
		for _, d := range u.DropIns {
			got += " " + filepath.Base(d.Name)
			if strings.Contains(d.Text, "hidden") {
				got += " (the wrong one)"
			}
		}
		if len(u.Notes) > 0 {
			got += " note"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"none", "/etc/systemd/system/none.service"} {
		if _, err := s.Find(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"loop", "fifo"} {
		if _, err := s.Find(name); err == nil {
			t.Errorf("%s was found", name)
		}
	}
	starts, err := s.Load("masked")
	if err != nil || len(starts) != 1 || starts[0].Refused == nil || starts[0].Refused.Cause != scenario.CauseMasked {
		t.Errorf("masked: %+v, %v", starts, err)
	}
}

func TestReplace(t *testing.T) {
	e := environment{values: map[string]string{"A": "one", "B": "two words"}, open: []string{"HOME"}}
	args := []string{"$A", "$A", "${A}", "x${A}y", "$B", "${B}", "$$A", "$HOME", "${HOME}/x", "$NONE", "${NONE}", "${A", "${A:-x}", "$"}
	want := []string{"$A", "one", "one", "xoney", "two", "words", "two words", "$A", "$HOME", "${HOME}/x", "", "${A", "${A:-x}", ""}
	got := e.replace(args)
	if len(got) < len(want)-1 || !slices.Equal(got[:13], want[:13]) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	e.openAll = true
	if got := e.replace([]string{"x", "$NONE", "${A}"}); !slices.Equal(got, []string{"x", "$NONE", "one"}) {
		t.Errorf("with a file that was not read: %q", got)
	}
}

func TestWithoutInstance(t *testing.T) {
	for text, facts := range map[string]int{
		"User=%i\nExecStart=/bin/x":            1,
		"ExecStart=/bin/%i":                    1,
		"User=%i\nExecStart=/bin/%i":           2,
		"ExecStart=/bin/x %i":                  0,
		"User=%p\nExecStart=/bin/%p %i":        0,
		"SupplementaryGroups=%i\nExecStart=/x": 1,
	} {
		starts, err := Parse(Unit{Name: "t@.service", File: File{"t@.service", "[Service]\n" + text}})
		if err != nil {
			t.Fatal(err)
		}
		if got := starts[0].Unknowns; len(got) != facts {
			t.Errorf("%q: %d facts are not known, want %d", text, len(got), facts)
		}
		for _, u := range starts[0].Unknowns {
			if u.Fact != scenario.FactInstance {
				t.Errorf("%q: %s", text, u.Fact)
			}
		}
	}
}

func TestCallFilter(t *testing.T) {
	for lines, want := range map[string]string{
		"":                               "",
		"@system-service":                "",
		"@system-service\n~@privileged":  "capset:SIGSYS setgroups:SIGSYS setuid:SIGSYS",
		"~@privileged":                   "capset:SIGSYS setgroups:SIGSYS setuid:SIGSYS",
		"~@privileged\ncapset":           "setgroups:SIGSYS setuid:SIGSYS",
		"~@privileged\ncapset:EPERM":     "capset:SIGSYS setgroups:SIGSYS setuid:SIGSYS",
		"~capset:EPERM bind":             "bind:SIGSYS capset:EPERM",
		"@system-service\n~capset:EPERM": "capset:EPERM",
		"@network-io":                    "capset:SIGSYS setgid:SIGSYS setgroups:SIGSYS setuid:SIGSYS",
		"~execve:kill":                   "execve:SIGSYS",
		"~capset\n\n~bind":               "bind:SIGSYS",
		"~@nothing":                      "",
	} {
		text := "SystemCallFilter=" + strings.ReplaceAll(lines, "\n", "\nSystemCallFilter=")
		if lines == "" {
			text = ""
		}
		var got []string
		for call, answer := range service(t, "252", text).Settings.Sandbox.Calls {
			got = append(got, call+":"+string(answer))
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", lines, got, want)
		}
	}
}
