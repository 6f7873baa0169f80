// Package gobuild runs the go command such that what it builds is
// capability-aware, by the overlays of package overlay.
//
// [Run] builds itself. [Around] runs any other command with a go command before
// the real one in its PATH, which is this program again and does what Run does
// ([Main]); so the overlay is made for the toolchain that each build really uses.
package gobuild

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/overlay"
)

// Settings are how to build.
type Settings struct {
	// Start is what a program does when it starts.
	Start overlay.Start `json:"start"`
	// NoSetcap leaves the files' capabilities as they are.
	NoSetcap bool `json:"no_setcap"`
	// Go is the path of the real go command, found in PATH where it is "".
	Go string `json:"go"`
	// Log is the file that each build adds a line to.
	Log string `json:"log"`
}

// variable tells a go command that is this program what to do.
const variable = "CAPWISE_BUILD"

// building is the verbs that compile.
var building = []string{"build", "install", "run", "test"}

// Main takes over where this program is executed as the go command of [Around],
// and does not return there. In any other process it does nothing.
func Main() {
	if filepath.Base(os.Args[0]) != "go" {
		return
	}
	s, err := fromEnvironment()
	if err == nil {
		err = s.asGo(os.Args[1:])
	}
	os.Exit(exitCode(err))
}

// exitCode reports an error of this program's own; a command that failed has said
// why.
func exitCode(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return max(failed.ExitCode(), 1)
	default:
		for _, line := range printable.Errors(err) {
			say("%s", line)
		}
		return 1
	}
}

// say writes a line to standard error.
func say(format string, args ...any) {
	// Where standard error does not take it, there is nobody to tell.
	_, _ = fmt.Fprintln(printable.NewWriter(os.Stderr), "capwise: "+printable.Line(fmt.Sprintf(format, args...)))
}

func fromEnvironment() (*Settings, error) {
	text := os.Getenv(variable)
	if text == "" {
		return nil, fmt.Errorf("started as go, without the environment variable %s, which a command of \"capwise build --\" must leave to its children", variable)
	}
	s := &Settings{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("environment variable %s: %w", variable, err)
	}
	if s.Go == "" {
		return nil, fmt.Errorf("environment variable %s: it names no go command", variable)
	}
	return s, nil
}

// asGo is the go command: verbs that compile do so with an overlay, and the
// others are the real one's.
func (s *Settings) asGo(args []string) error {
	at := 0 // of the verb; -C may come before it
	if len(args) > 0 {
		if name, _, hasValue := flag(args[0]); name == "C" && hasValue {
			at = 1
		} else if name == "C" {
			at = 2
		}
	}
	if at < len(args) && slices.Contains(building, args[at]) {
		return s.Run(args[at], slices.Delete(slices.Clone(args), at, at+1))
	}
	err := syscall.Exec(s.Go, append([]string{"go"}, args...), os.Environ())
	return fmt.Errorf("%s: %w", s.Go, err)
}

// Run is the go command's verb, with the arguments that follow it. The error is
// an [*exec.ExitError] if the go command failed, which has said why.
func (s *Settings) Run(verb string, args []string) error {
	if err := s.find(); err != nil {
		return err
	}
	b, err := s.newBuild(verb, args)
	if err != nil {
		return err
	}
	if b.env.GOOS != "linux" || b.all.value("compiler") == "gccgo" {
		say("go %s for %s with %s: nothing is injected", verb, b.env.GOOS, cmp.Or(b.all.value("compiler"), "gc"))
		return b.run(append([]string{verb}, args...))
	}
	if b.args.inRoot(verb, b.dir) { // Go 1.26 drops a letter of each name below / and looks for the next one forever
		return errors.New("go build -overlay never finishes when run in /; build from another directory")
	}
	name, err := b.overlay()
	if err != nil {
		return err
	}
	err = b.run(b.args.line(verb, name))
	if err == nil && (verb == "build" || verb == "install") {
		err = b.finish()
	}
	if err != nil {
		return err
	}
	return s.note(verb)
}

// find looks for the real go command.
func (s *Settings) find() error {
	if s.Go != "" {
		return nil
	}
	if os.Getenv(variable) != "" { // inside of Around, whose go command comes first
		around, err := fromEnvironment()
		if err != nil {
			return err
		}
		s.Go, s.Log = around.Go, around.Log
		return nil
	}
	path, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	s.Go, err = filepath.Abs(path)
	return err
}

// run runs the go command with what this process has.
func (b *build) run(args []string) error {
	c := exec.Command(b.command(), args...)
	c.Env = append(os.Environ(), b.extra...)
	return attend(c)
}

// attend runs a command with what this process has, and waits for its end however
// this process is asked to end: a terminal asks both, and what else asks this one
// is passed on.
func attend(c *exec.Cmd) error {
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	asked := make(chan os.Signal, 8)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(asked)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-asked:
			if s == syscall.SIGTERM || s == syscall.SIGHUP {
				_ = c.Process.Signal(s) // it may have ended meanwhile
			}
		}
	}
}

// note writes down that something was built, for [Around].
func (s *Settings) note(verb string) error {
	if s.Log == "" {
		return nil
	}
	f, err := os.OpenFile(s.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(verb + "\n")
	return errors.Join(err, f.Close())
}

// Around runs a command whose calls of the go command build as Run does. It
// fails if there was none, since what the command built is plain then.
func (s *Settings) Around(command []string) (err error) {
	if err := s.find(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "capwise-build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Symlink(self, filepath.Join(dir, "go")); err != nil {
		return err
	}
	if s.Log == "" {
		s.Log = filepath.Join(dir, "built")
		if err := os.WriteFile(s.Log, nil, 0o600); err != nil {
			return err
		}
	}
	before, err := os.Stat(s.Log)
	if err != nil {
		return err
	}
	if err := s.runIn(dir, command); err != nil {
		return err
	}
	log, err := os.ReadFile(s.Log)
	if err != nil {
		return err
	}
	switch lines := string(log[before.Size():]); {
	case lines == "":
		return fmt.Errorf("%s built nothing for Linux through the go command in PATH, so nothing was injected", command[0])
	case !strings.Contains(lines, "build\n") && !strings.Contains(lines, "install\n"):
		say("%s built nothing through capwise; programs it built by other means are not capability-aware", command[0])
	}
	return nil
}

// runIn runs the command with a folder first in its PATH. This process has that
// PATH too, by which it looks for the command itself.
func (s *Settings) runIn(dir string, command []string) error {
	settings, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := dir
	if old := os.Getenv("PATH"); old != "" {
		path += string(filepath.ListSeparator) + old
	}
	if err := errors.Join(os.Setenv("PATH", path), os.Setenv(variable, string(settings))); err != nil {
		return err
	}
	return attend(exec.Command(command[0], command[1:]...))
}
