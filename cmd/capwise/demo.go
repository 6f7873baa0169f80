package main

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/spf13/cobra"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cmd/capwise/internal/trial"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

const demoLong = `Start copies of capwise as a server that listens on a high and on a low port:
with the file capability cap_net_bind_service as permitted only (+p), with its
effective bit (+ep) and without, each with every capability dropped and with
that one allowed. The table shows what this kernel does, and whether the law
that the other commands ask predicted it.

It takes root or user namespaces, a few seconds, and leaves nothing behind.`

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Show the failure and the cure on this kernel", Long: demoLong,
		Example: "  capwise demo",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return demo(cmd.OutOrStdout()) },
	}
}

// demoCase is one row: a file and what is left of the capabilities.
type demoCase struct {
	file    *filecap.Caps
	allowed capset.Set
}

func demo(w io.Writer) error {
	kernel, err := hostKernel()
	if err != nil {
		return err
	}
	t := table.New().Border(lipgloss.NormalBorder()).
		Headers("file", "capabilities", "port 8080", "port 80", "as predicted")
	predicted := true
	const bind = capset.Set(1 << capset.NetBindService)
	permitted := &filecap.Caps{Permitted: bind, Revision: filecap.V2}
	effective := &filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}
	for _, c := range []demoCase{{effective, 0}, {effective, bind}, {nil, 0}, {nil, bind}, {permitted, 0}, {permitted, bind}} {
		row, agrees, err := c.row(kernel)
		if err != nil {
			return err
		}
		predicted = predicted && agrees
		t.Row(row...)
	}
	if _, err := lipgloss.Fprintln(printable.Raw(w), printable.Styled(t.String())); err != nil {
		return err
	}
	if _, err := fmt.Fprint(w, demoEnd); err != nil {
		return err
	}
	if !predicted {
		return errFails
	}
	return nil
}

const demoEnd = `A server with +ep does not even start where the capability is dropped, whatever
port it wants. With +p it always starts, and may still bind port 80 where that is
allowed, if it raises the capability for the bind as these copies do.
`

// row tries one case.
func (c demoCase) row(k law.Kernel) (row []string, agrees bool, err error) {
	s := scenario.Start{
		Settings: scenario.Settings{
			Runtime: scenario.Runtime{Name: scenario.Shell}, UID: demoUser, GID: demoUser,
			Granted: c.allowed, PortStart: law.DefaultPortStart,
		},
		Program: scenario.Program{Chain: []scenario.Step{{}}, Awareness: scenario.Aware},
		Listens: []scenario.Listen{{Network: "tcp", Address: ":8080", Port: 8080}, {Network: "tcp", Address: ":80", Port: 80}},
	}
	row = []string{"none", "all dropped"}
	if c.file != nil {
		s.Program.Last().File.Caps = *c.file
		row[0] = "+p"
		if c.file.Effective {
			row[0] = "+ep"
		}
	}
	if c.allowed != 0 {
		row[1] = "one allowed"
	}
	tried, err := trial.Compare(k, &s)
	if err != nil {
		return nil, false, err
	}
	row = append(row, says(tried.Kernel)...)
	if len(tried.Differences) > 0 {
		return append(row, strings.Join(tried.Differences, "; ")), false, nil
	}
	return append(row, "yes"), true, nil
}

// says words what the kernel did with the two ports.
func says(r trial.Result) []string {
	if r.Errno != "" {
		const died = "exec: operation not permitted"
		return []string{died, died}
	}
	var out []string
	for _, errno := range r.Binds {
		if errno == "" {
			out = append(out, "served")
		} else {
			out = append(out, "bind: permission denied")
		}
	}
	return out
}

// demoUser is an ordinary user id.
const demoUser = 65532
