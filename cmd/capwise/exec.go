package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/launch"
)

const execLong = `Make capabilities ambient, and become PROGRAM. A program that knows nothing of
capabilities then has them effective, and so have the programs that it starts.

Only what is permitted already can be made ambient; nothing is gained. A named
capability that is not permitted is left out, unless it is required: a program
that starts without can say best what it lacks.

    --cap CAP           the same as CAP=prefer
    --cap CAP=prefer    ambient if permitted
    --cap CAP=require   ambient, or PROGRAM is not started
    --cap CAP=never     given up: neither permitted nor ambient
    no --cap at all     whatever is permitted, as if preferred

PROGRAM finds arguments, environment, signals, limits and descriptors as capwise
did. A copy of capwise with file capabilities refuses: it would give them to any
program that any user names. The launcher (docs/launcher.md) is for that.

Exit codes: that of PROGRAM; 125 where capwise itself fails, 126 where PROGRAM
cannot be executed, 127 where it is not found.`

const execExamples = `  capwise exec --cap net_bind_service -- coredns -dns.port=53
  capwise exec --cap net_raw=require --cap sys_admin=never -- ping 192.0.2.1`

// The first thread has what prctl(2) sets for one thread only, such as the signal
// at the parent's death, and is to be the one that becomes the program.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		runtime.LockOSThread()
	}
}

func newExec() *cobra.Command {
	var caps []string
	cmd := &cobra.Command{
		Use:                   "exec [--cap CAP[=require|prefer|never]]... -- PROGRAM [ARGS]",
		DisableFlagsInUseLine: true,
		Short:                 "Start a program with what is permitted", Long: execLong, Example: execExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return ownFailure(errors.New("exec: no program"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return become(caps, args) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows PROGRAM is PROGRAM's
	f.StringArrayVar(&caps, "cap", nil, "capability, and whether to require, prefer (default) or never have it (repeatable)")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return ownFailure(err) })
	return cmd
}

// ownFailure gives an error the exit code of exec's own failures.
func ownFailure(err error) error { return &launch.Error{Code: launch.ExitFailed, Err: err} }

func become(names, args []string) error {
	caps := launch.Everything()
	if len(names) > 0 {
		caps = launch.Caps{}
	}
	for _, name := range names {
		if err := caps.Add(name); err != nil {
			return ownFailure(err)
		}
	}
	path, err := exec.LookPath(args[0])
	switch {
	case errors.Is(err, exec.ErrDot): // PATH says so, and the caller wrote it
	case errors.Is(err, exec.ErrNotFound):
		return &launch.Error{Code: launch.ExitNotFound, Path: args[0], Err: errors.New("not found")}
	case err != nil:
		path = args[0] // the kernel says what is wrong with it
	}
	return launch.Exec(path, args, caps)
}
