package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capwise/capwise/cmd/capwise/internal/gobuild"
	"github.com/capwise/capwise/overlay"
)

const buildLong = `Build Go programs that are capability-aware, without a change of their source:
each bind(2) that the kernel refuses with EACCES is made again with
CAP_NET_BIND_SERVICE raised on that one thread, if the capability is permitted,
and the error says why and what to do if it is not. It covers package net,
syscall.Bind and unix.Bind of golang.org/x/sys, in whatever module; not binds by
C code.

    capwise build [--start=...] [--no-setcap] [go build flags] [packages]
    capwise build [--start=...] [--no-setcap] -- COMMAND [ARGS]

The first form is "go build". The second runs COMMAND (make, xcaddy, ko,
goreleaser, "go install"...) with a go command in its PATH that does the same.
Programs for other systems than Linux are built as usual.

    --start=demote  (default) when the program starts, CAP_NET_BIND_SERVICE is
                    kept as permitted only, and from the program's children,
                    however it arrived: by a launcher, by systemd, or as root
    --start=keep    what the program has when it starts stays: for programs
                    whose C code or children bind low ports
    --no-setcap     leave the files' capabilities alone

CAPWISE_START=keep or =demote in the environment of a program has the last word,
but not where its file gives it the capability (AT_SECURE). In a systemd service
with a system call filter, which may kill who demotes, keep is the default.

Afterwards the program gets the file capability cap_net_bind_service=p, where
that is permitted; or the command that does it is printed.

An overlay of Go's standard library does it (go build -overlay), which is made
from the toolchain at hand; a toolchain that is not known is refused. The build
cache stays as it is for other builds. See docs/build.md.`

const buildExamples = `  capwise build -o bin/coredns github.com/coredns/coredns
  capwise build -- make
  capwise build -- xcaddy build --with github.com/caddyserver/replace-response
  capwise build -- go test ./...`

// newBuild leaves flags to the go command, but for its own, which come first.
func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:                   "build [--start=...] [--no-setcap] {[GO BUILD ARGS] | -- COMMAND...}",
		DisableFlagsInUseLine: true,
		Short:                 "Build a Go program that raises its capability",
		Long:                  buildLong, Example: buildExamples,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, rest, err := buildSettings(args)
			switch {
			case errors.Is(err, errHelp):
				return cmd.Help()
			case err != nil:
				return err
			case len(rest) > 0 && rest[0] == "--":
				if len(rest) == 1 {
					return errors.New("build: no command after --")
				}
				err = s.Around(rest[1:])
			default:
				if late := gobuild.FlagOf(rest, "start", "no-setcap"); late != "" {
					return fmt.Errorf("build: %s: want it before the flags of go build", late)
				}
				err = s.Run("build", rest)
			}
			var failed *exec.ExitError
			if errors.As(err, &failed) { // and has said why
				return errFailed
			}
			return err
		},
	}
}

// errHelp asks for the help text.
var errHelp = errors.New("help")

// buildSettings takes the command's own flags from the front.
func buildSettings(args []string) (*gobuild.Settings, []string, error) {
	s := &gobuild.Settings{Start: overlay.StartDemote}
	for ; len(args) > 0; args = args[1:] {
		name, value, _ := strings.Cut(args[0], "=")
		switch {
		case name == "--start":
			s.Start = overlay.Start(value)
			if s.Start != overlay.StartDemote && s.Start != overlay.StartKeep {
				return nil, nil, fmt.Errorf("%s: want --start=demote or --start=keep", args[0])
			}
		case name == "--no-setcap" && args[0] != name:
			return nil, nil, fmt.Errorf("%s: want --no-setcap", args[0])
		case name == "--no-setcap":
			s.NoSetcap = true
		case args[0] == "--help" || args[0] == "-h":
			return nil, nil, errHelp
		default:
			return s, args, nil
		}
	}
	return s, nil, nil
}
