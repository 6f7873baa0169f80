package e2e

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
)

// TestPublishedPort reaches Caddy as most people do, by a port that Docker
// publishes: on 80 inside, with nothing granted, because Docker's private
// networks have no privileged ports.
func TestPublishedPort(t *testing.T) {
	for _, user := range users {
		t.Run(user, func(t *testing.T) {
			results.report(t, "80 published, nothing granted, own defaults /"+user, docker.Name())
			need(t, docker.needs...)
			dir := configDir(t, caddyfile(80))
			p := docker.begin(t, engine.Spec{
				Program: get(t, caddyPermitted), Args: serve(dir), Config: dir, User: user,
				PortStart: engine.AnyPortStart, Extra: []string{"--network=bridge", "--publish=8080:80"},
			})
			p.get(t, 80) // wait until it serves
			host, err := dockerEngine.Address()
			if err != nil {
				t.Fatal(err)
			}
			got, err := httpGet("/proc/self/ns/net", "http://"+host+":8080/")
			if err != nil {
				t.Fatal(err)
			}
			if want := "capwise on 8080"; got != want {
				t.Errorf("served %q, want %q", got, want)
			}
		})
	}
}

// TestImageAsIs runs the image without a word on what to run, and with every
// capability dropped: its own command serves its own page.
func TestImageAsIs(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		for _, user := range users {
			t.Run(r.Name()+"/"+user, func(t *testing.T) {
				results.report(t, "the image as it is, all dropped, port start 0 /"+user, r.Name())
				need(t, r.needs...)
				p := r.begin(t, engine.Spec{Program: get(t, caddyPermitted), User: user, PortStart: 0})
				if page := p.get(t, 80); !strings.Contains(page, "<title>") {
					t.Errorf("served %q, want a page", page)
				}
			})
		}
	}
}
