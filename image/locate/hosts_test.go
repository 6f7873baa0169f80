package locate

import (
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/ref"
)

const registriesConf = `
unqualified-search-registries = ["a.example", "docker.io"]

[[registry]]
prefix = "r.example"
location = "other.example/r"
[[registry.mirror]]
location = "m1.example"
[[registry.mirror]]
location = "m2.example/deep"

[[registry]]
prefix = "r.example/team"
location = "team.example"

[[registry]]
location = "closed.example"
blocked = true

[[registry]]
location = "never.example"
blocked = true
[[registry.mirror]]
location = "instead.example"

[[registry]]
location = "digests.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "md.example"

[[registry]]
location = "mixed.example"
[[registry.mirror]]
location = "tags.example"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "sums.example"
pull-from-mirror = "digest-only"

[[registry]]
prefix = "docker.io/library"
location = "hub.example/lib"
`

// TestNames holds under which names an image is looked for, as the engines' configurations
// say.
func TestNames(t *testing.T) {
	const sum = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	const docker = `{"registry-mirrors": ["https://dm.example/", "http://127.0.0.1:5000"]}`
	for _, c := range []struct {
		image  string
		own    ref.Kind
		docker string // daemon.json
		want   string
		says   string
	}{
		{image: "x.example/a:1", want: "x.example/a:1"},
		{image: "x.example/a", want: "x.example/a:latest"},
		{image: "r.example/a:1", want: "m1.example/a:1 m2.example/deep/a:1 other.example/r/a:1"},
		{image: "r.example/team/a:1", want: "team.example/a:1"},
		{image: "r.example/teams/a:1", want: "m1.example/teams/a:1 m2.example/deep/teams/a:1 other.example/r/teams/a:1"},
		{image: "r.examples/a:1", want: "r.examples/a:1"},
		{image: "closed.example/a:1", says: "registry closed.example: blocked by registries.conf"},
		{image: "never.example/a:1", want: "instead.example/a:1", says: "registry never.example: blocked by registries.conf"},
		{image: "digests.example/a:1", want: "digests.example/a:1"},
		{image: "digests.example/a" + sum, want: "md.example/a" + sum + " digests.example/a" + sum},
		{image: "mixed.example/a:1", want: "tags.example/a:1 mixed.example/a:1"},
		{image: "mixed.example/a" + sum, want: "sums.example/a" + sum + " mixed.example/a" + sum},
		{image: "app:1", own: ref.Podman, want: "a.example/app:1 hub.example/lib/app:1"},
		{image: "team/app:1", own: ref.Podman, want: "a.example/team/app:1 docker.io/team/app:1"},
		{image: "app:1", want: "hub.example/lib/app:1"},
		{image: "app:1", own: ref.Containerd, want: "hub.example/lib/app:1"},
		{image: "docker.io/app:1", own: ref.Podman, want: "hub.example/lib/app:1"},
		{image: "app:1", own: ref.Docker, docker: docker, want: "dm.example/library/app:1 127.0.0.1:5000/library/app:1 docker.io/library/app:1"},
		{image: "team/app", own: ref.Docker, docker: docker, want: "dm.example/team/app:latest 127.0.0.1:5000/team/app:latest docker.io/team/app:latest"},
		{image: "docker.io/team/app:1", own: ref.Docker, docker: docker, want: "dm.example/team/app:1 127.0.0.1:5000/team/app:1 docker.io/team/app:1"},
		{image: "x.example/a:1", own: ref.Docker, docker: docker, want: "x.example/a:1"},
		{image: "app:1", own: ref.Podman, docker: docker, want: "a.example/app:1 hub.example/lib/app:1"},
		{image: "app:1", own: ref.Docker, docker: `{"registry-mirrors": [`, want: "hub.example/lib/app:1"},
		{image: "localhost/app:1", own: ref.Podman, says: "localhost is what Podman calls"},
		{image: "localhost:5000/app:1", want: "localhost:5000/app:1"},
		{image: "A b", says: "could not parse reference"},
	} {
		m := newMachine(t)
		m.write("containers/registries.conf", registriesConf)
		m.write("docker/daemon.json", c.docker)
		names, said := readHosts().names(c.image, c.own)
		var got []string
		for _, n := range names {
			got = append(got, n.name)
			if host, _, _ := strings.Cut(n.name, "/"); n.host != host {
				t.Errorf("%s is said to be at %s", n.name, n.host)
			}
		}
		if !slices.Equal(got, strings.Fields(c.want)) || !strings.Contains(strings.Join(said, "; "), c.says) || c.says == "" && len(said) > 0 {
			t.Errorf("%s for %q: got %q, %q; want %q, %q", c.image, c.own, got, said, c.want, c.says)
		}
	}
}

// TestReadHosts holds which file counts where several say something: the last of
// registries.conf.d, and the user's over the machine's. What cannot be read says nothing.
func TestReadHosts(t *testing.T) {
	m := newMachine(t)
	table := func(to string) string {
		return "[[registry]]\nlocation = 'r.example'\n[[registry.mirror]]\nlocation = '" + to + "'\n"
	}
	for _, step := range []struct{ file, text, want string }{
		{"containers/registries.conf", table("one.example"), "one.example/a:1"},
		{"containers/registries.conf.d/10-a.conf", table("two.example"), "two.example/a:1"},
		{"containers/registries.conf.d/20-b.conf", table("three.example"), "three.example/a:1"},
		{"containers/registries.conf.d/30-c.conf", "[[registry]\nbroken", "three.example/a:1"},
		{"containers/registries.conf.d/40-d.txt", table("no.example"), "three.example/a:1"},
		{"user/containers/registries.conf", table("four.example"), "four.example/a:1"},
		{"user/containers/registries.conf.d/a.conf", table("five.example"), "five.example/a:1"},
	} {
		m.write(step.file, step.text)
		names, _ := readHosts().names("r.example/a:1", "")
		if len(names) != 2 || names[0].name != step.want || names[1].name != "r.example/a:1" {
			t.Errorf("%s: got %v, want %s", step.file, names, step.want)
		}
	}
}
