package patch

import (
	"errors"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"
)

const text = `# a comment
services:
  web:   # the server
    image: "web"
    user: 1000
    security_opt:
      - no-new-privileges:true
      - seccomp=x
    sysctls:
      - net.ipv4.ip_unprivileged_port_start=90
      - net.core.somaxconn=1
    cap_drop: [ALL] # all
    network_mode: host

  flow: {image: x, user: '7', cap_add: [CHOWN], network_mode: host}
  null:
    image: x
    user:
  deep:
    image: x
    environment:
      A: |
        several
        lines
`

// TestEdits holds what edits make of a text: one line of it, and nothing else.
func TestEdits(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(d *document) error
		old  string
		now  string
	}{
		"plain scalar":     {func(d *document) error { return d.set(steps("services.web.user"), `"0"`) }, "user: 1000", `user: "0"`},
		"quoted scalar":    {func(d *document) error { return d.set(steps("services.web.image"), "x") }, `image: "web"`, "image: x"},
		"scalar in flow":   {func(d *document) error { return d.set(steps("services.flow.user"), "0") }, "user: '7'", "user: 0"},
		"new key":          {func(d *document) error { return d.set(steps("services.web.init"), "false") }, "    image: \"web\"", "    init: false\n    image: \"web\""},
		"new key in flow":  {func(d *document) error { return d.set(steps("services.flow.init"), "false") }, "{image: x, user", "{init: false, image: x, user"},
		"new keys":         {func(d *document) error { return d.set(steps("services.deep.a.b"), "1") }, "  deep:\n    image", "  deep:\n    a: {b: 1}\n    image"},
		"empty value":      {func(d *document) error { return d.set(steps("services.null.user"), `"0"`) }, "user:\n  deep", "user: \"0\"\n  deep"},
		"list in flow":     {func(d *document) error { return d.add(steps("services.web.cap_drop"), []string{"x y"}) }, "[ALL] # all", `[ALL, "x y"] # all`},
		"new list":         {func(d *document) error { return d.add(steps("services.deep.cap_add"), []string{"A", "B"}) }, "  deep:\n    image", "  deep:\n    cap_add: [A, B]\n    image"},
		"list that has it": {func(d *document) error { return d.add(steps("services.flow.cap_add"), []string{"CHOWN"}) }, "", ""},
		"list in a block": {func(d *document) error {
			return d.without(steps("services.web.security_opt"), func(s string) bool { return strings.HasPrefix(s, "no-new") })
		}, "security_opt:\n      - no-new-privileges:true\n      - seccomp=x", "security_opt: [\"seccomp=x\"]"},
		"nothing to remove": {func(d *document) error {
			return d.without(steps("services.flow.security_opt"), func(string) bool { return true })
		}, "", ""},
		"remove":                   {func(d *document) error { return d.remove(steps("services.web.network_mode")) }, "    network_mode: host\n\n", "\n"},
		"remove between":           {func(d *document) error { return d.remove(steps("services.web.user")) }, "    user: 1000\n", ""},
		"remove from flow":         {func(d *document) error { return d.remove(steps("services.flow.network_mode")) }, ", network_mode: host}", "}"},
		"remove first":             {func(d *document) error { return d.remove(steps("services.flow.image")) }, "image: x, user", "user"},
		"remove what is not there": {func(d *document) error { return d.remove(steps("services.deep.init")) }, "", ""},
	} {
		d := &document{text, onLine(steps("services.web"), 3)}
		want := strings.Replace(text, tc.old, tc.now, 1)
		if err := errors.Join(tc.edit(d), stillYAML(d.text)); err != nil || d.text != want {
			t.Errorf("%s: %v\n%s", name, err, d.text)
		}
	}
}

// TestEditsRefused holds that what cannot be changed safely is left alone.
func TestEditsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		edit func(d *document) error
	}{
		"anchor":     {"a: &x {b: 1}\nc: *x\n", func(d *document) error { return d.set(steps("a"), "1") }},
		"alias":      {"a: &x 1\nc: *x\n", func(d *document) error { return d.set(steps("c"), "2") }},
		"block text": {"a: |\n  b\nc: 1\n", func(d *document) error { return d.set(steps("a"), "1") }},
		"last key":   {"a:\n  b: 1\n", func(d *document) error { return d.remove(steps("a.b")) }},
		"no YAML":    {"a: [\n", func(d *document) error { return d.set(steps("a"), "1") }},
		"elsewhere":  {"b: 1\n", func(d *document) error { return d.set(steps("a[0].c"), "1") }},
	} {
		d := &document{tc.text, func(*yaml.Node) bool { return true }}
		if err := tc.edit(d); err == nil && d.text != tc.text {
			t.Errorf("%s: got\n%s", name, d.text)
		}
	}
}

// TestDocuments holds that the document is found by the line of what is changed.
func TestDocuments(t *testing.T) {
	const two = "a: {b: 1}\n---\na: {b: 1}\n"
	d := &document{two, onLine(steps("a"), 3)}
	if err := d.set(steps("a.b"), "2"); err != nil || d.text != "a: {b: 1}\n---\na: {b: 2}\n" {
		t.Errorf("%v\n%s", err, d.text)
	}
}

// FuzzEdit holds that an edit of whatever text leaves YAML behind, or the text.
func FuzzEdit(f *testing.F) {
	f.Add(text, "services.web.user", "0")
	f.Add("{a: [1, 'x']}", "a[1]", "y")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		d := &document{text, func(*yaml.Node) bool { return true }}
		if d.set(steps(path), quote(value)) == nil {
			_ = stillYAML(d.text)
		}
		_ = d.remove(steps(path))
	})
}
