package capabilities

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/capwise/capwise/diagnose"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "capabilities",
		Usage:     "[--config <path> [--adapter <name>]] [--format text|json]",
		Short:     "Tells which listeners of a configuration can be bound here, and why not",
		CobraFunc: command,
	})
}

// exitWouldFail is the exit code for "a listener cannot be bound".
const exitWouldFail = 2

const long = `
Tells for each listener of a configuration whether this program, started as
it is now (same user, same container or unit), may bind it: whether the port
needs CAP_NET_BIND_SERVICE here, whether that is permitted, and if not, which
condition failed and what to change.

Nothing is started and no port is opened: a port may be in use all the same.
The configuration is provisioned as "caddy validate" does it, so that
automatic HTTPS and its redirects count. Like that command it makes the keys
of Caddy's internal CA if the configuration uses it and it has none yet; no
log files are opened.

The exit code is 0 if every listener can be bound, 2 if one cannot, and 1 if
the question could not be answered.`

func command(cmd *cobra.Command) {
	cmd.Long = long
	cmd.Example = "  $ caddy capabilities --config Caddyfile\n  $ caddy capabilities --config caddy.json --format json"
	cmd.Args = cobra.NoArgs
	cmd.Flags().StringP("config", "c", "", "The configuration file to ask about (\"-\" is standard input)")
	cmd.Flags().StringP("adapter", "a", "", "The name of the config adapter to apply")
	cmd.Flags().String("format", "text", "The output: text or json")
	run := caddycmd.WrapCommandFuncForCobra(runCapabilities)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceErrors = true // an exit code is not an error to print
		return run(cmd, args)
	}
	// The command tree is complete when cobra runs the first command.
	cobra.OnInitialize(func() { wrapCommands(cmd.Root()) })
}

func runCapabilities(fl caddycmd.Flags) (int, error) {
	format := fl.String("format")
	if format != "text" && format != "json" {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("--format %q: want text or json", format)
	}
	config, file, _, err := caddycmd.LoadConfig(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if len(config) == 0 {
		return caddy.ExitCodeFailedStartup, errors.New("no configuration: name one with --config")
	}
	listeners, err := configListeners(config)
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("%s: %w", file, err)
	}
	receipt := newReceipt(diagnose.Self(), listeners)
	if err := receipt.print(format); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if !receipt.OK {
		return exitWouldFail, nil
	}
	return caddy.ExitCodeSuccess, nil
}

// print writes the receipt to standard output.
func (r Receipt) print(format string) error {
	if format == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	_, err := os.Stdout.WriteString(r.text())
	return err
}
