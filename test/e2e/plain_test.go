package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/netns"
	"github.com/capwise/capwise/test/e2e/internal/program"
	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// nonroot is the user of servers that no runtime starts.
const nonroot = 65532

// plainNeeds is what such servers need.
var plainNeeds = []string{"root", "setcap", "nsenter", "setpriv"}

// plain is a server started by hand as a user without privileges, in a network
// namespace of its own where ports below 1024 are privileged.
type plain struct {
	*process
	of      *distribution
	dir     string // its own: configuration, storage, admin socket
	network string
}

// startPlain starts a program of a distribution with a configuration, in which
// $DIR stands for a folder that it can write to. The options are for setpriv(1), run
// once more by the user: the first one leaves its capabilities permitted across
// setuid.
func startPlain(t *testing.T, d *distribution, p *program.Program, config string, options ...string) *plain {
	t.Helper()
	s := &plain{of: d, dir: d.folder(t, config), network: newNetNS(t)}
	if err := os.Chown(s.dir, nonroot, nonroot); err != nil {
		t.Fatal(err)
	}
	uid := strconv.Itoa(nonroot)
	argv := []string{"nsenter", "--net=" + s.network, "setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups"}
	if len(options) > 0 {
		argv = append(append(argv, "setpriv"), options...)
	}
	argv = append(argv, p.Path)
	cmd := exec.Command(argv[0], append(argv[1:], d.args(s.dir)...)...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+s.dir, "XDG_DATA_HOME="+s.dir)
	s.process = run(t, cmd, func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	})
	return s
}

// newNetNS makes a network namespace for the time of the test.
func newNetNS(t *testing.T) string {
	t.Helper()
	f, err := os.CreateTemp(sandbox.Dir(), "netns-")
	if err != nil {
		t.Fatal(err)
	}
	path := f.Name()
	if err := errors.Join(f.Close(), netns.New(path, "net.ipv4.ip_unprivileged_port_start=1024")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

// ask asks what is served on a port until there is an answer.
func (s *plain) ask(t *testing.T, port int) string {
	t.Helper()
	return s.await(t, func() (string, error) { return s.network, nil }, func(path string) (string, error) {
		return s.of.ask(path, fmt.Sprintf("127.0.0.1:%d", port))
	})
}

// file is a path in the server's own folder.
func (s *plain) file(name string) string { return filepath.Join(s.dir, name) }
