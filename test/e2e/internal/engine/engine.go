// Package engine starts programs under real runtimes with given privileges.
//
// An engine turns a Spec into the command line that a person would type, so
// that a failing test can be repeated by hand. Engines expect to run inside of
// package sandbox, which takes their daemons down.
package engine

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/capwise/capwise/test/e2e/internal/program"
)

// NetBindService is the one capability the tests grant.
const NetBindService = "NET_BIND_SERVICE"

// AnyPortStart leaves ip_unprivileged_port_start as the runtime sets it.
const AnyPortStart = -1

// OwnUser leaves the user to the image, or to Spec.Extra.
const OwnUser = ""

// Spec says what to start, and with which privileges. Every capability is
// dropped but those in Add.
type Spec struct {
	Program    *program.Program
	Args       []string // none leaves it to the image, where there is one
	Command    []string // instead of the program and its arguments, in an image
	User       string   // a numeric uid, also the gid; or OwnUser
	Add        []string // capabilities, without the prefix CAP_
	PortStart  int      // net.ipv4.ip_unprivileged_port_start, or AnyPortStart
	ReadOnly   bool     // the root file system
	NoNewPrivs bool
	Config     string   // a folder the program finds at the same path
	Extra      []string // further options, in the engine's own words
}

// Engine is a runtime.
type Engine interface {
	// Name is what the results call the engine.
	Name() string
	// Start starts the runtime and waits until it can be used.
	Start() error
	// Load makes a program available. It is called once for each.
	Load(*program.Program) error
	// Command is the command line that runs spec in the foreground under a
	// unique name, and exits as the program does.
	Command(name string, spec Spec) ([]string, error)
	// NetNS is the path of the network namespace of what runs under name.
	NetNS(name string) (string, error)
	// Remove ends what runs under name and forgets it.
	Remove(name string) error
}

// run executes a command line to its end and returns its standard output.
func run(argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}
