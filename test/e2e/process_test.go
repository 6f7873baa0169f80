package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/netns"
)

// patience is how long anything may take that takes a second on an idle machine.
const patience = 30 * time.Second

// process is a command line in execution. Where the test fails, it shows what
// was run and what that said.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr buffer
	ended          chan struct{} // closed at the end
	err            error         // of cmd.Wait; valid once ended
}

// run starts cmd; stop has to make it end.
func run(t *testing.T, cmd *exec.Cmd, stop func() error) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		p.wait(t)
		if t.Failed() {
			t.Logf("command: %s\nstdout:\n%s\nstderr:\n%s", p.command(), tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

// tail is the end of a log, enough of it to see what happened last.
func tail(log string) string {
	const enough = 8 << 10
	if len(log) <= enough {
		return log
	}
	return "[...]" + log[len(log)-enough:]
}

// command is the command line for a shell.
func (p *process) command() string {
	var quoted []string
	for _, arg := range p.cmd.Args {
		if strings.ContainsAny(arg, " \n\t'\"${}") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		quoted = append(quoted, arg)
	}
	return strings.Join(quoted, " ")
}

// wait waits for the end and returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Errorf("still running after %v: %s", patience, p.command())
		return -1
	}
}

// await asks from the network namespace of the process until there is an answer.
// It gives up when the process ends.
func (p *process) await(t *testing.T, network func() (string, error), ask func(network string) (string, error)) string {
	t.Helper()
	err := error(nil)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("ended instead of serving: %v", p.err)
		default:
		}
		var path, answer string
		if path, err = network(); err != nil {
			continue
		}
		if answer, err = ask(path); err == nil {
			return answer
		}
	}
	t.Fatalf("no answer within %v: %v", patience, err)
	return ""
}

func httpGet(network, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	transport := netns.Transport(network)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // all of it has been read, or err says why not
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}

// buffer is a bytes.Buffer that can be read while a process writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
