package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// place is where a program runs: a home directory, and perhaps a network of its
// own and another user.
type place struct {
	t       testing.TB
	home    string
	network *network // nil for that of the test
	user    int      // 0 for that of the test
	env     []string
	files   []*os.File // inherited, from descriptor 3 on
}

// newPlace makes a place with an empty home directory for the user.
func newPlace(t testing.TB, network *network, user int) *place {
	t.Helper()
	home, err := os.MkdirTemp(shared, "home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	if user != 0 {
		if err := os.Chown(home, user, user); err != nil {
			t.Fatal(err)
		}
	}
	return &place{t: t, home: home, network: network, user: user}
}

// file writes a file into the home directory, and returns its path.
func (p *place) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *place) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = p.home
	cmd.Env = append([]string{"HOME=" + p.home, "PATH=/usr/bin:/bin", "CAPWISE_TEST_PORT=2020"}, p.env...)
	cmd.ExtraFiles = p.files
	// The network's thread is the parent, and ends with the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if p.network != nil {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if p.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.user), Gid: uint32(p.user)}
	}
	return cmd
}

// spawn starts the command in the place's network.
func (p *place) spawn(cmd *exec.Cmd) {
	p.t.Helper()
	var err error
	if p.network != nil {
		p.network.do(func() { err = cmd.Start() })
	} else {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// outcome is how a command that ends by itself came out.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func (p *place) run(program string, args ...string) outcome {
	p.t.Helper()
	return p.runWith("", program, args...)
}

// runWith runs a command to its end, with a text on its standard input.
func (p *place) runWith(stdin, program string, args ...string) outcome {
	p.t.Helper()
	cmd := p.command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.WaitDelay = time.Second // "start" leaves a child behind
	p.spawn(cmd)
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		p.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// server is a program that runs until it is told to stop.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr *buffer
	ended  chan struct{}
}

// start starts a server, and kills it when the test ends.
func (p *place) start(program string, args ...string) *server {
	p.t.Helper()
	s := &server{t: p.t, cmd: p.command(program, args...), stderr: new(buffer), ended: make(chan struct{})}
	s.cmd.Stderr = s.stderr
	p.spawn(s.cmd)
	go func() {
		_ = s.cmd.Wait() // its end is looked at in ProcessState
		close(s.ended)
	}()
	p.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
	})
	return s
}

// serve starts a server and waits until its first configuration runs.
func (p *place) serve(program string, args ...string) *server {
	p.t.Helper()
	s := p.start(program, args...)
	s.waitFor("serving initial configuration")
	return s
}

// waitFor waits for a message in the log.
func (s *server) waitFor(msg string) {
	s.t.Helper()
	s.waitUntil("it logs "+msg, func() bool { return len(s.logged(msg)) > 0 })
}

// waitUntil waits until a condition holds.
func (s *server) waitUntil(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.ended:
			if !holds() {
				s.t.Fatalf("it ended before %s: %s\n%s", what, s.cmd.ProcessState, s.stderr)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain until %s\n%s", what, s.stderr)
		}
	}
}

// exit waits until the server has ended by itself, and returns its exit code.
func (s *server) exit() int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		s.t.Fatalf("it does not end\n%s", s.stderr)
	}
	return s.cmd.ProcessState.ExitCode()
}

// signal sends a signal to the server.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// logged returns the log entries with the message.
func (s *server) logged(msg string) []map[string]any {
	var found []map[string]any
	for _, e := range entries(s.stderr.String()) {
		if e["msg"] == msg {
			found = append(found, e)
		}
	}
	return found
}

// receipts returns the capability receipts in the log.
func (s *server) receipts() []map[string]any { return s.logged("capability receipt") }

// entries reads the lines of a JSON log, and skips what is none.
func entries(log string) []map[string]any {
	var all []map[string]any
	for line := range strings.Lines(log) {
		var e map[string]any
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
