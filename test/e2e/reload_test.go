package e2e

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// rounds is how often each server goes through all reloads.
const rounds = 50

// reloadable is a Caddyfile with one site on several ports. Unlike a TCP port,
// the admin socket is handed from one configuration to the next, so that the
// reloads themselves lose nothing.
func reloadable(dir string, ports ...int) string {
	var sites []string
	for _, port := range ports {
		sites = append(sites, fmt.Sprintf("http://:%d", port))
	}
	return fmt.Sprintf("{\n\tadmin unix/%s/admin.sock\n\tpersist_config off\n\tauto_https off\n}\n%s {\n\trespond \"capwise on {http.request.port}\"\n}\n",
		dir, strings.Join(sites, ", "))
}

// reload makes the server serve the ports. The error has what the server says.
func (s *plain) reload(ports ...int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config := strings.NewReader(reloadable(s.dir, ports...))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/load", config)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/caddyfile")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.file("admin.sock"))
	}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // all of it has been read, or err says why not
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}

// occupied is a port that somebody else listens on.
const occupied = 81

// contender is a server under reload and what its clients saw.
type contender struct {
	name        string
	migrate     int // net.ipv4.tcp_migrate_req
	server      *plain
	kept, fresh tally
	reloads     int
}

// round sends the server through all configurations under load. Clients are
// told to use a port only while it is in the configuration before and after.
func (c *contender) round() error {
	if err := netns.Sysctl(c.server.network, fmt.Sprintf("net.ipv4.tcp_migrate_req=%d", c.migrate)); err != nil {
		return err
	}
	clients := startClients(c.server.network, 8080, &c.kept, &c.fresh)
	defer clients.halt()
	for _, step := range []struct {
		ports   []int
		refused bool
		use     int // from then on
	}{
		{ports: []int{8080, 80}, use: 80},
		{ports: []int{80}, use: 80},
		{ports: []int{80, occupied}, use: 80, refused: true},
		{ports: []int{8080, 80}, use: 8080},
		{ports: []int{8080}, use: 8080},
	} {
		time.Sleep(10 * time.Millisecond) // let requests flow between reloads
		err := c.server.reload(step.ports...)
		switch {
		case step.refused && err == nil:
			return fmt.Errorf("%s: ports %v were accepted, though somebody else has %d", c.name, step.ports, occupied)
		case step.refused && !containsAll(err.Error(), []string{":81", "address already in use"}):
			return fmt.Errorf("%s: ports %v: the error does not explain: %w", c.name, step.ports, err)
		case err != nil && !step.refused:
			return fmt.Errorf("%s: ports %v: %w", c.name, step.ports, err)
		}
		c.reloads++
		clients.use(step.use)
	}
	time.Sleep(10 * time.Millisecond)
	return nil
}

// TestReloadUnderLoad reloads our Caddy and upstream's in turns, so that both
// meet the same machine, with and without tcp_migrate_req. What it prints is the
// source of the figures in docs/reliability.md.
func TestReloadUnderLoad(t *testing.T) {
	need(t, plainNeeds...)
	ours := startReloadable(t, get(t, caddyPermitted))
	upstream := startReloadable(t, get(t, upstreamPermitted))
	contenders := []*contender{
		{name: "ours", server: ours},
		{name: "upstream", server: upstream},
		{name: "ours", server: ours, migrate: 1},
		{name: "upstream", server: upstream, migrate: 1},
	}
	for range rounds {
		for _, c := range contenders {
			if err := c.round(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("\n%s", figures(contenders))
	ours.explains(t, caddy, ":81", "address already in use")
	for _, c := range contenders {
		t.Run(fmt.Sprintf("%s, tcp_migrate_req=%d", c.name, c.migrate), func(t *testing.T) {
			results.report(t, fmt.Sprintf("reloads lose nothing that was kept alive, tcp_migrate_req=%d", c.migrate), c.name)
			if c.kept.lost() > 0 {
				t.Error(&c.kept)
			}
		})
	}
	t.Run("no worse than upstream", func(t *testing.T) {
		results.report(t, "reloads lose no more new connections than upstream", "ours")
		noWorse(t, contenders[0], contenders[1])
	})
	t.Run("tcp_migrate_req saves the queue", func(t *testing.T) {
		results.report(t, "reloads lose hardly a connection in a queue, tcp_migrate_req=1", "ours")
		saved(t, contenders[0], contenders[2])
	})
}

// saved checks that tcp_migrate_req saves nearly all connections in the queue of
// a socket that closes. A server that closes an accepted connection before it
// has read everything resets it too, so a few may remain.
func saved(t *testing.T, without, with *contender) {
	t.Helper()
	if with, without := with.fresh.reset.Load(), without.fresh.reset.Load(); without == 0 || with > without/10 {
		t.Errorf("%d connections reset with it, %d without; want some without, and at most a tenth of that with it", with, without)
	}
}

// startReloadable starts a server on 8080, in a network where somebody else has
// the port called occupied.
func startReloadable(t *testing.T, p *program.Program) *plain {
	t.Helper()
	s := startPlain(t, caddy, p, reloadable("$DIR", 8080))
	if got, want := s.ask(t, 8080), served(8080); got != want {
		t.Fatalf("served %q, want %q", got, want)
	}
	var other net.Listener
	err := netns.Do(s.network, func() (err error) {
		other, err = net.Listen("tcp", fmt.Sprintf(":%d", occupied))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// noWorse compares the connections that two servers lost. Both counts vary
// by chance. One loss does not make another likelier, except that the clients
// may lose one each when an old socket closes; so the variance of a count is
// at most the count times the number of clients. Three standard deviations of
// the difference are allowed, which a server as good as the other exceeds once in
// 700 runs.
func noWorse(t *testing.T, ours, theirs *contender) {
	t.Helper()
	lost := float64(ours.fresh.lost())
	scale := float64(ours.fresh.sent.Load()) / float64(theirs.fresh.sent.Load())
	expected := float64(theirs.fresh.lost()) * scale
	tolerance := 3 * math.Sqrt(newConnections*(max(lost, 1)+max(expected, 1)*scale))
	if lost > expected+tolerance {
		t.Errorf("lost %.0f connections; %s would have lost %.1f of as many, and chance explains %.1f more",
			lost, theirs.name, expected, tolerance)
	}
}

// figures is a table of what the clients saw.
func figures(contenders []*contender) string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) {
		_, _ = fmt.Fprintf(tw, format+"\n", args...) // into memory
	}
	line("server\ttcp_migrate_req\treloads\tkept alive\tretried\tlost\tnew connections\treset\tno answer\tother\tlost per 100,000\tper reload")
	for _, c := range contenders {
		sent, lost := c.fresh.sent.Load(), c.fresh.lost()
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\t%.2f", c.name, c.migrate, c.reloads,
			c.kept.sent.Load(), c.kept.retried.Load(), c.kept.lost(),
			sent, c.fresh.reset.Load(), c.fresh.empty.Load(), c.fresh.other.Load(),
			1e5*float64(lost)/float64(sent), float64(lost)/float64(c.reloads))
	}
	_ = tw.Flush() // likewise
	for _, c := range contenders {
		if c.fresh.other.Load() > 0 {
			b.WriteString(c.name + ": " + c.fresh.String() + "\n")
		}
	}
	return b.String()
}

// TestReloadRefused asks a server that may not bind port 80 to do so. It has to
// go on with what it has, and to explain itself to who asked and in its log.
func TestReloadRefused(t *testing.T) {
	results.report(t, "reload to 80, not allowed: explained, the old goes on /65532", "plain")
	need(t, plainNeeds...)
	s := startPlain(t, caddy, get(t, caddyPermitted), reloadable("$DIR", 8080), "--no-new-privs")
	s.ask(t, 8080)
	err := s.reload(80)
	if err == nil {
		t.Fatal("port 80 was accepted")
	}
	t.Log(err)
	fragments := wording(lostToNNP, 80)
	if !containsAll(err.Error(), fragments) {
		t.Errorf("the answer has not all of %q", fragments)
	}
	s.explains(t, caddy, fragments...)
	if got, want := s.ask(t, 8080), served(8080); got != want {
		t.Errorf("served %q, want %q", got, want)
	}
}
