package capabilities

import (
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/capwise/capwise/diagnose"
)

// serving names the commands that serve in this very process, some of them
// with the admin endpoint off, in which case Caddy does not provision the
// admin module. "start" runs "run" in a child.
var serving = []string{"run", "file-server", "reverse-proxy", "respond"}

// wrapCommands lets the commands that serve log receipts, and explain a failed
// start.
func wrapCommands(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if !slices.Contains(serving, cmd.Name()) || cmd.RunE == nil {
			continue
		}
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			go logReceipts()
			err := run(cmd, args)
			explainFailure(err)
			return err
		}
	}
}

// logReceipts logs one for each configuration that runs, unless the admin
// module has done so. Caddy has no event for this that reaches code which is
// not part of the configuration; but it cancels a configuration's context when
// the next one has taken its place.
func logReceipts() {
	for load := firstLoad(); load.Context != nil; load = caddy.ActiveContext() {
		if given.first(load) {
			giveReceipt(load)
		}
		<-load.Done()
	}
}

// firstLoad waits until a configuration runs.
func firstLoad() caddy.Context {
	for {
		if load := caddy.ActiveContext(); load.Context != nil {
			return load
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// giveReceipt logs the receipt of a running configuration.
func giveReceipt(load caddy.Context) {
	if listeners, err := httpListeners(load); err == nil {
		newReceipt(diagnose.Self(), listeners).log(caddy.Log().Named("capabilities"))
	}
}

// refused matches the end of an error of package net for a port that could not
// be bound. Caddy passes errors on as text.
var refused = regexp.MustCompile(`listen (?:tcp|udp)[46]? \S*:(\d+): bind: ` + syscall.EACCES.Error() + `$`)

// explainFailure logs why a port could not be bound, where err is about that
// and does not say so itself.
func explainFailure(err error) {
	if err == nil {
		return
	}
	match := refused.FindStringSubmatch(err.Error())
	if match == nil {
		return
	}
	port, err := strconv.Atoi(match[1])
	if err != nil {
		return
	}
	caddy.Log().Named("capabilities").Error(diagnose.Explain(diagnose.Self(), port).String())
}
