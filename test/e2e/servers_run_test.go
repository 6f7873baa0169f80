package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// TestServers starts servers from their images as a user who is nobody: on a low
// port with the capability granted, and with everything dropped on a high port
// and on a low one. CAPWISE_SERVERS says which: names, or "all".
func TestServers(t *testing.T) {
	names := strings.Fields(cmp.Or(os.Getenv("CAPWISE_SERVERS"), "caddy"))
	for _, s := range servers {
		if slices.Contains(names, s.name) || slices.Contains(names, "all") {
			s.test(t)
		}
	}
}

func (s server) test(t *testing.T) {
	t.Run(s.name, func(t *testing.T) {
		s.in(t, docker, "scan: aware", func(t *testing.T, _ *runtimeUnderTest, p *program.Program) {
			found := scanned(t, "docker-archive:"+p.Archive)[p.InImage]
			if found.Verdict != "aware" || found.Capabilities != permitted || found.Evidence != "built by capwise build (start=demote)" {
				t.Errorf("%+v", found)
			}
		})
		for _, r := range append([]*runtimeUnderTest{docker}, s.runtimes...) {
			s.in(t, r, "granted, low port: answers", func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
				s.answers(t, s.begin(t, r, p, s.low, engine.NetBindService), s.low, capset.Of(capset.NetBindService))
			})
			s.in(t, r, "dropped, high port: answers", func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
				s.answers(t, s.begin(t, r, p, s.high), s.high, 0)
			})
			s.in(t, r, "dropped, low port: says why", func(t *testing.T, r *runtimeUnderTest, p *program.Program) {
				s.begin(t, r, p, s.low).saysWhy(t, s.low)
			})
		}
	})
}

func (s server) in(t *testing.T, r *runtimeUnderTest, what string, f func(*testing.T, *runtimeUnderTest, *program.Program)) {
	t.Run(what+"/"+r.Name(), func(t *testing.T) {
		results.report(t, s.name+" "+what, r.Name())
		archive := artifact("", filepath.Join("../../.cache/servers", s.name, s.name+"-amd64.tar"))
		need(t, append([]string{"root", capwiseBinary(), archive}, r.needs...)...)
		p, err := program.FromArchive(s.name, archive, "/usr/bin/"+s.name, "")
		if err != nil {
			t.Fatal(err)
		}
		f(t, r, p)
	})
}

func (s server) begin(t *testing.T, r *runtimeUnderTest, p *program.Program, port int, granted ...string) *running {
	t.Helper()
	spec := engine.Spec{Program: p, User: strconv.Itoa(nonroot), Add: granted, PortStart: 1024, Config: publicDir(t)}
	fill := strings.NewReplacer("$PORT", strconv.Itoa(port), "$NEXT", strconv.Itoa(port+1), "$DIR", spec.Config)
	for name, text := range s.files {
		if err := os.WriteFile(filepath.Join(spec.Config, name), []byte(fill.Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, arg := range s.args {
		spec.Args = append(spec.Args, fill.Replace(arg))
	}
	return r.begin(t, spec)
}

// answers checks that the server does its job, and that what is permitted to its
// threads is in effect on none.
func (s server) answers(t *testing.T, r *running, port int, permitted capset.Set) {
	t.Helper()
	s.ask(t, r, port)
	path, err := r.runtime.NetNS(r.name)
	if err != nil {
		t.Fatal(err)
	}
	process := filepath.Dir(filepath.Dir(path))
	files, err := filepath.Glob(filepath.Join(process, "task/*/status"))
	if err != nil || len(files) < 2 {
		t.Fatalf("threads of %s: %v, %v", process, files, err)
	}
	for _, file := range files {
		status, err := os.Open(file)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		thread, err := cred.ParseStatus(status)
		_ = status.Close() // only read from
		if err != nil {
			continue // likewise
		}
		if want := (cred.Sets{Permitted: permitted, Bounding: permitted}); thread.Sets != want {
			t.Errorf("%s: %+v, want %+v", file, thread.Sets, want)
		}
	}
	t.Logf("%d threads", len(files))
}

// saysWhy waits for a line with the cause and the remedy.
func (r *running) saysWhy(t *testing.T, port int) {
	t.Helper()
	want := []string{
		"bind: permission denied: port " + strconv.Itoa(port) + " needs CAP_NET_BIND_SERVICE here",
		"CAP_NET_BIND_SERVICE is not in the bounding set; remedy: ", remedy[r.runtime.Name()],
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(r.stdout.String() + r.stderr.String()) {
			if containsAll(line, want) {
				t.Log(strings.TrimSpace(line))
				return
			}
		}
	}
	t.Errorf("no line has all of %q", want)
}

// answers returns a check of what a server has at a path.
func answers(path, part string) func(*testing.T, *running, int) {
	return func(t *testing.T, r *running, port int) {
		network := func() (string, error) { return r.runtime.NetNS(r.name) }
		got := r.await(t, network, func(network string) (string, error) {
			return httpGet(network, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		})
		if !strings.Contains(got, part) {
			t.Errorf("no %q in %q", part, got)
		}
	}
}

// greets returns a check of what a server says first.
func greets(start string) func(*testing.T, *running, int) {
	return func(t *testing.T, r *running, port int) {
		got := make([]byte, len(start))
		r.until(t, func() error {
			conn, err := r.dial(t, "tcp", port)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }() // only read from
			_, err = conn.Read(got)
			return err
		})
		if string(got) != start {
			t.Errorf("it says %q, want %q", got, start)
		}
	}
}

// passesOn sends a server what it shall write to its standard output.
func (r *running) passesOn(t *testing.T, network string, port int, message, part string) {
	t.Helper()
	r.until(t, func() error {
		conn, err := r.dial(t, network, port)
		if err != nil {
			return err
		}
		if _, err := conn.Write([]byte(message)); err != nil {
			return err
		}
		if err := conn.Close(); err != nil {
			return err
		}
		if !strings.Contains(r.stdout.String(), part) {
			return fmt.Errorf("no %q written yet", part)
		}
		return nil
	})
}

// resolves looks up the name in the server's own zone.
func (r *running) resolves(t *testing.T, network string, port int) {
	t.Helper()
	resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return r.dial(t, network, port)
	}}
	r.until(t, func() error {
		got, err := resolver.LookupHost(t.Context(), "real.example.")
		if err == nil && !slices.Equal(got, []string{"192.0.2.7"}) {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
}

func (r *running) dial(t *testing.T, network string, port int) (net.Conn, error) {
	path, err := r.runtime.NetNS(r.name)
	if err != nil {
		return nil, err
	}
	conn, err := netns.Dial(t.Context(), path, network, fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(5 * time.Second))
}

// until repeats what a server that is still starting fails.
func (r *running) until(t *testing.T, f func() error) {
	t.Helper()
	err := error(nil)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
		select {
		case <-r.ended:
			t.Fatalf("ended: %v, after: %v", r.err, err)
		default:
		}
	}
	t.Fatalf("not within %v: %v", patience, err)
}
