package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/cmd/capwise/internal/policy"
	"github.com/capwise/capwise/cmd/capwise/internal/report"
	"github.com/capwise/capwise/cmd/capwise/internal/sources"
	"github.com/capwise/capwise/cmd/capwise/internal/trial"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/image/shell"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

const explainLong = `Predict for each program of a source whether it starts and may bind its ports,
say why not, and which smallest changes make it work.

A source is a command line (docker, podman, nerdctl, docker compose, kubectl
run, systemd-run, or any program of this machine), a file or folder (-f:
Kubernetes manifest, compose file, systemd unit, quadlet and others; the kind is
detected), or a process (--pid).

The answer is OK, FAIL, or DEPENDS: where it turns on what nobody knows, explain
judges each case, and names the flag that settles it. It exits with 0, 2 or 3,
and with 1 if it could not answer.

Nothing is started, unless --try asks for it.`

const explainExamples = `  capwise explain -- docker run --cap-drop=ALL --user=65532 caddy
  capwise explain --file-caps cap_net_raw=ep -- docker run --cap-drop=ALL web
  capwise explain --image docker-archive:web.tar -f pod.yaml --policy restricted
  capwise explain -f /etc/systemd/system/caddy.service
  capwise explain -f ssh.service
  capwise explain --root /mnt -f web@blue.service
  capwise explain --pid 4711 --format json`

// explain is the flags of the command.
type explain struct {
	image, fileCaps, version, kernel, program, policy, format, user, container, root string
	pid                                                                              int
	files, profiles, listen, env, envFiles                                           []string
	trace, try, offline, patch                                                       bool
	cache                                                                            cacheFlag
}

func newExplain() *cobra.Command {
	var e explain
	cmd := &cobra.Command{
		Use:     "explain [flags] {-- COMMAND ARGS... | -f FILE | --pid N}",
		Short:   "Predict whether programs start and bind their ports, and why not",
		Long:    explainLong,
		Example: explainExamples,
		RunE:    e.run,
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows a command's name is the command's
	f.StringArrayVarP(&e.files, "file", "f", nil, "file or folder (repeatable): Kubernetes manifest, compose file, unit, quadlet, config.json, devcontainer.json, or what docker inspect prints; or the name of a unit; - is standard input")
	f.StringArrayVar(&e.profiles, "profile", nil, "profile of a compose file whose services count, too (repeatable)")
	f.StringArrayVar(&e.env, "env", nil, "variable that compose files may have: NAME=VALUE, or NAME for that of your environment, of which they have nothing else (repeatable)")
	f.StringArrayVar(&e.envFiles, "env-file", nil, "file of variables for compose files, in the place of the project's .env (repeatable)")
	f.IntVar(&e.pid, "pid", 0, "a running process")
	f.StringVar(&e.root, "root", "", "folder with the tree of another machine, whose units, users and programs count instead of this machine's")
	f.StringVar(&e.image, "image", "", "image that is executed, instead of the one that the source names: "+ref.Help()+", or - for an archive on standard input")
	f.StringVar(&e.fileCaps, "file-caps", "", "capabilities of the program's file, such as cap_net_bind_service=p, or = for none")
	f.StringVar(&e.user, "user", "", "user that the image's program runs as where the source does not say, or that a unit's User= is on its machine where this one does not have it: a number or NAME[:GROUP]")
	f.StringVar(&e.container, "container", "", "name of the one container or service that --image, --file-caps, --user, --listen and --program are about")
	f.StringVar(&e.container, "service", "", "the same as --container")
	f.StringVar(&e.version, "runtime-version", "", "version of the runtime where it matters, such as 20.10.24 or cri-o:1.30")
	f.StringVar(&e.kernel, "kernel", "", "release of the kernel where it matters, such as 6.1")
	f.StringVar(&e.policy, "policy", "", "withhold what the policy of a Kubernetes platform forbids: baseline, restricted (Pod Security) or restricted-v2 (OpenShift)")
	f.BoolVar(&e.patch, "patch", false, "show each remedy applied to the source: as a unified diff, or as the whole new command line; a change of the program's file as a Containerfile, or as a command; what is left to you is said")
	f.BoolVar(&e.try, "try", false, "start a probe in the place of the program, on this kernel, and say where kernel and prediction differ (needs root or user namespaces)")
	f.BoolVar(&e.offline, "offline", false, "ask no registry for an image that the engines here do not have (also if CAPWISE_OFFLINE is set)")
	e.cache.register(f)
	e.commonFlags(f)
	return cmd
}

// commonFlags is what doctor has, too.
func (e *explain) commonFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&e.listen, "listen", nil, "address that the program binds, instead of those found; such as :80, udp/:53 (repeatable)")
	f.StringVar(&e.program, "program", "", "aware or dumb: whether the program raises its permitted capabilities (default: aware if its file carries a capability that is permitted only)")
	f.StringVar(&e.format, "format", "text", "text or json")
	f.BoolVar(&e.trace, "trace", false, "show which rules of the kernel applied")
}

func (e *explain) run(cmd *cobra.Command, args []string) error {
	kernel, err := e.kernelRules(cmd)
	if err != nil {
		return err
	}
	options, err := e.options()
	if err != nil {
		return err
	}
	options.Images = rootfs.Options{Cache: e.cache.open(), Stdin: cmd.InOrStdin(), Progress: &layer.Progress{}}
	defer func() { _ = options.Images.Cache.Close() }() // it saves time, and no more
	starts, err := e.starts(cmd, options, args)
	if err != nil {
		return err
	}
	r := report.Of()
	for _, s := range starts {
		var forbids diagnose.Policy
		if s.Container != nil && options.Policy != nil {
			forbids = options.Policy.Of(s.Container)
		}
		outlook := diagnose.Weigh(kernel, s.Start, forbids)
		outlook.Remedies = options.Uphold(kernel, s, outlook.Remedies)
		answer := report.New(s.Start, &outlook)
		if e.patch {
			patches(options, kernel, s, &outlook, &answer)
		}
		if e.try {
			if answer.Tried, err = try(s.Start); err != nil {
				return err
			}
		}
		r.Starts = append(r.Starts, answer)
	}
	return write(cmd, r, e.format, e.trace)
}

// patches writes the remedies into the source, as far as that can be done.
func patches(o sources.Options, k law.Kernel, f sources.Found, outlook *diagnose.Outlook, answer *report.Start) {
	n := 0
	for i := range outlook.Remedies {
		r := &outlook.Remedies[i]
		if r.Withheld != "" {
			continue
		}
		made := &answer.Remedies[n]
		p, err := o.Patch(k, f, r)
		hand, isHand := errors.AsType[patch.ByHand](err)
		switch {
		case isHand:
			made.ByHand = hand.Error()
		case err != nil:
			made.ByHand = "made by hand: " + err.Error()
		default:
			made.Patch, made.FilePatch = p.Text, p.File
			if p.ByHand != "" {
				made.ByHand = p.ByHand.Error()
			}
		}
		n++
	}
}

// try starts a probe in the place of the program.
func try(s *scenario.Start) (*report.Tried, error) {
	kernel, err := hostKernel()
	if err != nil {
		return nil, err
	}
	c, err := trial.Compare(kernel, s)
	if err != nil {
		return nil, fmt.Errorf("--try %s: %w", s.Name, err)
	}
	return &report.Tried{Agrees: len(c.Differences) == 0, Differences: c.Differences, Notes: c.Notes}, nil
}

// write writes the answer, and returns errFails if it is "it would fail", or errDepends.
func write(cmd *cobra.Command, r *report.Report, format string, trace bool) error {
	var err error
	if format == "json" {
		err = writeJSON(cmd.OutOrStdout(), r)
	} else {
		err = r.WriteText(cmd.OutOrStdout(), trace)
	}
	if err != nil {
		return err
	}
	switch r.Worst() {
	case report.Fails:
		return errFails
	case report.Depends:
		return errDepends
	default:
		return nil
	}
}

func (e *explain) kernelRules(cmd *cobra.Command) (law.Kernel, error) {
	if e.kernel == "" {
		return law.Kernel{}, nil
	}
	k, sure, err := law.KernelOf(e.kernel)
	if err == nil && !sure {
		cmd.PrintErrf("capwise: --kernel %s: set-ID handling changed between 6.12 and 6.18; assuming the newer rule\n", e.kernel)
	}
	return k, err
}

// options reads the flags that say more than the source.
func (e *explain) options() (sources.Options, error) {
	o := sources.Options{Image: e.image, Only: e.container, Version: e.version, Profiles: e.profiles, EnvFiles: e.envFiles, Root: e.root, Look: true, Offline: e.offline || os.Getenv(offlineVariable) != ""}
	o.Given.Scripts, o.Given.User = shell.Scripts{}, e.user
	if e.format != "text" && e.format != "json" {
		return o, fmt.Errorf("--format %q: want text or json", e.format)
	}
	switch e.program {
	case "", string(scenario.Aware), string(scenario.Dumb):
		o.Given.Awareness = scenario.Awareness(e.program)
	default:
		return o, fmt.Errorf("--program %q: want aware or dumb", e.program)
	}
	for _, text := range e.env {
		name, _, given := strings.Cut(text, "=")
		if value, is := os.LookupEnv(name); !given && is {
			text = name + "=" + value
		} else if !given {
			return o, fmt.Errorf("--env %s: your environment has no such variable", name)
		}
		o.Env = append(o.Env, text)
	}
	if e.policy != "" {
		var err error
		if o.Policy, err = policy.ByName(e.policy); err != nil {
			return o, fmt.Errorf("--policy: %w", err)
		}
	}
	if e.fileCaps != "" {
		caps, err := filecap.FromText(e.fileCaps)
		if err != nil {
			return o, fmt.Errorf("--file-caps: %w", err)
		}
		if caps.Permitted|caps.Inheritable == 0 { // none, and not an attribute that is empty, which clears what is ambient
			caps = filecap.Caps{}
		}
		o.Given.FileCaps = &caps
	}
	for _, text := range e.listen {
		l, err := parseListen(text)
		if err != nil {
			return o, fmt.Errorf("--listen %q: %w", text, err)
		}
		o.Given.Listens = append(o.Given.Listens, l)
	}
	return o, nil
}

var errListen = errors.New("want [tcp/|udp/][HOST]:PORT, such as :80 or udp/:53")

// parseListen reads [NETWORK/][HOST]:PORT.
func parseListen(text string) (scenario.Listen, error) {
	network, address, ok := strings.Cut(text, "/")
	if !ok {
		network, address = "tcp", text
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		if _, err := strconv.Atoi(network); err == nil { // 80/udp, as Docker writes it
			return scenario.Listen{}, errListen
		}
		return scenario.Listen{}, fmt.Errorf("network %q: want tcp or udp", network)
	}
	_, number, err := net.SplitHostPort(address)
	if err != nil {
		return scenario.Listen{}, errListen
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return scenario.Listen{}, fmt.Errorf("port %q: want a number up to 65535", number)
	}
	return scenario.Listen{Network: network, Address: address, Port: int(port), From: "--listen"}, nil
}

// starts reads the one source that the user gave.
func (e *explain) starts(cmd *cobra.Command, o sources.Options, args []string) ([]sources.Found, error) {
	given := 0
	for _, is := range []bool{len(e.files) > 0, e.pid != 0, len(args) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("want one source: -- COMMAND ARGS, -f FILE or --pid N")
	}
	switch {
	case len(e.files) > 0:
		return o.Files(e.files, cmd.InOrStdin())
	case o.Policy != nil:
		return nil, errors.New("--policy goes with a Kubernetes manifest (-f)")
	case e.pid != 0:
		s, err := o.Process(e.pid)
		return []sources.Found{s}, err
	default:
		return o.Command(args)
	}
}
