package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
)

// TestPublishedPort reaches the servers as most people do, by a port that Docker
// publishes: on a low one inside, with nothing granted, because Docker's private
// networks have no privileged ports.
func TestPublishedPort(t *testing.T) {
	for _, d := range distributions {
		for _, user := range users {
			t.Run(d.name+"/"+user, func(t *testing.T) {
				results.report(t, fmt.Sprintf("%s on %d, published, nothing granted, own defaults /%s", d.name, d.low, user), docker.Name())
				need(t, docker.needs...)
				dir := d.folder(t, d.config(d.low))
				p := docker.begin(t, engine.Spec{
					Program: get(t, d.permitted), Args: d.args(dir), Config: dir, User: user,
					PortStart: engine.AnyPortStart, Extra: append([]string{"--network=bridge"}, d.publish...),
				})
				p.ask(t, d, d.low) // wait until it serves
				host, err := dockerEngine.Address()
				if err != nil {
					t.Fatal(err)
				}
				got, err := d.ask("/proc/self/ns/net", fmt.Sprintf("%s:%d", host, d.high))
				if err != nil {
					t.Fatal(err)
				}
				if want := served(d.low); got != want {
					t.Errorf("served %q, want %q", got, want)
				}
			})
		}
	}
}

// TestImageAsIs runs the images without a word on what to run, and with every
// capability dropped: their own command serves what it does by itself.
func TestImageAsIs(t *testing.T) {
	for _, r := range []*runtimeUnderTest{docker, podmanRunc, podmanCrun} {
		for _, d := range distributions {
			for _, user := range append([]string{engine.OwnUser}, users...) {
				as := orElse(user, "its own user")
				t.Run(r.Name()+"/"+d.name+"/"+as, func(t *testing.T) {
					results.report(t, d.name+", the image as it is, all dropped, port start 0 /"+as, r.Name())
					need(t, r.needs...)
					p := r.begin(t, engine.Spec{Program: get(t, d.permitted), User: user, PortStart: 0})
					if answer := p.ask(t, d, d.low); !strings.Contains(answer, d.asIs) {
						t.Errorf("served %q, want %q in it", answer, d.asIs)
					}
					if got, want := p.user(t), orElse(user, d.user); got != want {
						t.Errorf("runs as user %s, want %s", got, want)
					}
				})
			}
		}
	}
}

// user is the effective user ID of the program.
func (r *running) user(t *testing.T) string {
	t.Helper()
	network, err := r.runtime.NetNS(r.name) // which names the process
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(network, "/proc/%d/", &pid); err != nil {
		t.Fatalf("%s: %v", network, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, uids, _ := strings.Cut(string(status), "\nUid:\t")
	return strings.Fields(uids)[1]
}
