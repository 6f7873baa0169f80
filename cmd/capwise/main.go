// Capwise makes servers capability-aware, and says why one does not start or may
// not bind its port.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/gobuild"
	"github.com/capwise/capwise/cmd/capwise/internal/trial"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/internal/scratch"
	"github.com/capwise/capwise/launch"
)

// Exit codes besides 0, of every command but exec, which has its own.
const (
	exitError   = 1 // could not do it: bad input, I/O
	exitFails   = 2 // the answer is "it would fail"
	exitDepends = 3 // the answer is that it depends on what is not known
)

// errFails makes a command end with exitFails. Its answer is on standard output
// already.
var errFails = errors.New("it would fail")

// errDepends makes a command end with exitDepends. Its answer is on standard output
// already.
var errDepends = errors.New("it depends on what is not known")

// errFailed makes a command end with exitError, where it has been said why.
var errFailed = errors.New("failed")

func main() {
	gobuild.Main() // where this process is the go command of "capwise build"
	trial.Main()   // where this process is a copy that tries something
	defer func() {
		if bug := recover(); bug != nil { // or Go would exit with 2, which is an answer here
			what := printable.Line(fmt.Sprint(bug))
			_, _ = fmt.Fprintf(printable.NewWriter(os.Stderr), "capwise: a bug of capwise: %s\n%s", what, debug.Stack()) // there is nobody else to tell
			os.Exit(exitError)
		}
	}()
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	root := newRoot()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.RunE = help
		}
	}
	root.SetArgs(args)
	switch err := root.Execute(); {
	case err == nil:
		return 0
	case errors.Is(err, errFails):
		return exitFails
	case errors.Is(err, errDepends):
		return exitDepends
	case errors.Is(err, errFailed):
		return exitError
	default:
		for _, line := range printable.Errors(err) {
			root.PrintErrln("capwise:", line)
		}
		if started := new(launch.Error); errors.As(err, &started) {
			return started.Code
		}
		return exitError
	}
}

// memory is how much Go takes before it collects garbage ever more often. What
// others' images and files may make of it is bounded below that.
const memory = 192 << 20

// bounded is for commands that read what others made: they leave nothing
// temporary behind when they are interrupted, and their memory is bounded unless
// the user says how (GOMEMLIMIT).
func bounded() {
	scratch.Watch()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
}

// version is the module's, "(devel)" in a checkout, and what the program was built
// with and for.
func version() string {
	text := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:     "capwise",
		Version: version(),
		Short:   "Say why a server does not start or may not bind its port, and what to change",
		Long: `capwise knows what Linux does with capabilities when a program is started and
when it binds a port, and tells before it happens.

Exit codes: 0 fine, 1 could not do it, 2 the answer is "it would fail"; exec has
its own.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	// The doors out, for text of others that a command has not made printable.
	root.SetOut(printable.NewWriter(os.Stdout))
	root.SetErr(printable.NewWriter(os.Stderr))
	// Lists of flags are as wide as a terminal.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages |", ".FlagUsagesWrapped 80 |"))
	for _, cmd := range []*cobra.Command{newExplain(), newScan(), newFix(), newCache()} { // which have what is temporary
		cmd.PersistentPreRun = func(*cobra.Command, []string) { bounded() }
		root.AddCommand(cmd)
	}
	root.AddCommand(newDoctor(), newExec(), newBuild(), newDemo())
	return root
}

// help is an error where there is no such command, unlike cobra's.
func help(c *cobra.Command, args []string) error {
	about, _, err := c.Root().Find(args)
	if err != nil {
		return err
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}
