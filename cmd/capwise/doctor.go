package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/report"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/scenario"
)

const doctorLong = `Say what a process that runs may do: which capabilities it holds, whether it may
bind the addresses that it listens on, or those of --listen, or else tcp :80,
why not, and which smallest changes make it work.

Without --pid it is the process that called capwise, such as your shell.`

const doctorExamples = `  capwise doctor
  capwise doctor --pid 4711 --listen :443
  capwise doctor --pid $(pidof caddy) --format json`

func newDoctor() *cobra.Command {
	e := explain{}
	cmd := &cobra.Command{
		Use:     "doctor [--pid N] [--listen ADDR]...",
		Short:   "Say what a process that runs may do, and why not more",
		Long:    doctorLong,
		Example: doctorExamples,
		Args:    cobra.NoArgs,
		RunE:    e.doctor,
	}
	f := cmd.Flags()
	f.IntVar(&e.pid, "pid", 0, "the process (default: the one that called capwise)")
	e.commonFlags(f)
	return cmd
}

func (e *explain) doctor(cmd *cobra.Command, _ []string) error {
	options, err := e.options()
	if err != nil {
		return err
	}
	kernel, err := hostKernel()
	if err != nil {
		return err
	}
	if e.pid == 0 {
		e.pid = os.Getppid()
	}
	found, err := options.Process(e.pid)
	if err != nil {
		return err
	}
	if len(found.Listens) == 0 {
		found.AddListen(scenario.Listen{Network: "tcp", Address: ":80", Port: 80, From: "doctor"})
	}
	outlook := diagnose.Weigh(kernel, found.Start, nil)
	return write(cmd, report.Of(report.New(found.Start, &outlook)), e.format, e.trace)
}
