package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// syntax is the flags of a command. They are written as words, a short form
// before a colon: "e:env".
type syntax struct {
	values, bools map[string]bool
	short         map[byte]string
	// commands is the operands that can only be a command.
	commands map[string]bool
}

// Flags of the commands run and create, hidden and newer ones too. A test holds
// these lists beside the help of the commands that are installed.
const (
	commonValues = `add-host annotation a:attach blkio-weight blkio-weight-device cap-add cap-drop
		cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime c:cpu-shares cpus cpuset-cpus
		cpuset-mems detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps
		device-write-iops dns dns-opt dns-option dns-search entrypoint e:env env-file expose gpus group-add health-cmd
		health-interval health-retries health-start-period health-timeout h:hostname ip ip6 ipc kernel-memory l:label
		label-file link-local-ip log-driver log-opt mac-address m:memory memory-reservation memory-swap
		memory-swappiness mount name net network net-alias network-alias oom-score-adj pid pids-limit platform p:publish pull
		restart security-opt shm-size stop-signal stop-timeout sysctl tmpfs ulimit u:user userns uts v:volume
		volumes-from w:workdir`
	commonBools = `d:detach disable-content-trust help init i:interactive no-healthcheck oom-kill-disable privileged
		P:publish-all q:quiet read-only rm sig-proxy t:tty`

	dockerValues = `cpu-count cpu-percent domainname health-start-interval io-maxbandwidth io-maxiops isolation link
		runtime storage-opt volume-driver`
	dockerBools = `use-api-socket`

	podmanValues = `arch authfile cert-dir cgroup-conf cgroups chrootdirs conmon-pidfile creds decryption-key env-merge
		gidmap group-entry health-log-destination health-max-log-count health-max-log-size health-on-failure
		health-startup-cmd health-startup-interval health-startup-retries health-startup-success
		health-startup-timeout hosts-file hostuser image-volume init-ctr init-path intel-rdt-closid os passwd-entry
		personality pidfile pod pod-id-file preserve-fd preserve-fds requires retry retry-delay
		sdnotify seccomp-policy secret shm-size-systemd signature-policy subgidname subuidname systemd timeout tz
		uidmap umask unsetenv variant volume-driver`
	podmanBools = `env-host http-proxy no-hostname no-hosts passwd read-only-tmpfs replace rmi rootfs tls-verify
		unsetenv-all`
)

// Flags before the command.
const (
	dockerGlobalValues = `config c:context H:host l:log-level tlscacert tlscert tlskey`
	dockerGlobalBools  = `D:debug help tls tlsverify v:version`
	podmanGlobalValues = `cdi-spec-dir cgroup-manager cni-config-dir conmon c:connection cpu-profile
		default-mounts-file events-backend hooks-dir identity imagestore log-level max-workers memory-profile module
		namespace network-backend network-cmd-path network-config-dir out pull-option registries-conf root runroot
		runtime runtime-flag ssh storage-driver storage-opt tls-ca tls-cert tls-key tmpdir url volumepath`
	podmanGlobalBools = `help noout r:remote syslog trace transient-store v:version`
)

var (
	dockerRun    = newSyntax(commonValues+" "+dockerValues, commonBools+" "+dockerBools)
	podmanRun    = newSyntax(commonValues+" "+podmanValues, commonBools+" "+podmanBools)
	dockerGlobal = newSyntax(dockerGlobalValues, dockerGlobalBools, "container", "create", "run")
	podmanGlobal = newSyntax(podmanGlobalValues, podmanGlobalBools, "container", "create", "run")
)

func newSyntax(values, bools string, commands ...string) syntax {
	s := syntax{values: map[string]bool{}, bools: map[string]bool{}, short: map[byte]string{}, commands: map[string]bool{}}
	for _, name := range commands {
		s.commands[name] = true
	}
	add := func(words string, to map[string]bool) {
		for word := range strings.FieldsSeq(words) {
			if short, name, ok := strings.Cut(word, ":"); ok {
				s.short[short[0]], word = name, name
			}
			to[word] = true
		}
	}
	add(values, s.values)
	add(bools, s.bools)
	return s
}

// options is what the flags of a command line say: each flag's values in
// order, by its long name.
type options map[string][]string

// last returns the value that counts for a flag that takes one.
func (o options) last(name string) string {
	if v := o[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// has reports whether the flag was given.
func (o options) has(name string) bool { return len(o[name]) > 0 }

// enabled returns the value of a flag without an argument.
func (o options) enabled(name string) (bool, error) {
	v := o.last(name)
	if v == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("--%s=%s: want true or false", name, v)
	}
	return on, nil
}

// split is a command line on its way apart.
type split struct {
	syntax  syntax
	options options
	rest    []string // behind the flags
	notes   []string
}

// parse takes the flags off args, up to the first operand or "--".
func (s syntax) parse(args []string) (split, error) {
	p := split{syntax: s, options: options{}, rest: args}
	for len(p.rest) > 0 {
		arg := p.rest[0]
		if arg == "--" {
			p.rest = p.rest[1:]
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			break
		}
		p.rest = p.rest[1:]
		var err error
		if strings.HasPrefix(arg, "--") {
			err = p.long(arg[2:])
		} else {
			err = p.cluster(arg[1:])
		}
		if err != nil {
			return split{}, err
		}
	}
	return p, nil
}

func (p *split) set(name, value string) {
	if name == "net" { // the old name
		name = "network"
	}
	p.options[name] = append(p.options[name], value)
}

// long takes a flag with two dashes.
func (p *split) long(text string) error {
	name, value, given := strings.Cut(text, "=")
	switch {
	case !p.syntax.values[name] && !p.syntax.bools[name]:
		p.unknown("--"+name, given)
	case given:
		p.set(name, value)
	case p.syntax.bools[name]:
		p.set(name, "true")
	default:
		return p.next("--"+name, name)
	}
	return nil
}

// cluster takes flags with one dash: -it, -p80:80, -u=1000.
func (p *split) cluster(text string) error {
	for i := range len(text) {
		flag, rest := "-"+text[i:i+1], text[i+1:]
		name, known := p.syntax.short[text[i]]
		value, given := strings.CutPrefix(rest, "=")
		switch {
		case !known:
			p.unknown(flag, rest != "")
			return nil
		case given:
			p.set(name, value)
			return nil
		case p.syntax.bools[name]:
			p.set(name, "true")
		case rest != "":
			p.set(name, rest)
			return nil
		default:
			return p.next(flag, name)
		}
	}
	return nil
}

// next takes the next argument for the value of a flag.
func (p *split) next(flag, name string) error {
	if len(p.rest) == 0 {
		return fmt.Errorf("%s needs an argument", flag)
	}
	p.set(name, p.rest[0])
	p.rest = p.rest[1:]
	return nil
}

// unknown passes over a flag that is not in the lists. Most flags take a value,
// so the next argument is taken for it unless the rest then makes no sense.
func (p *split) unknown(flag string, hasValue bool) {
	switch {
	case hasValue:
		p.notes = append(p.notes, fmt.Sprintf("%s is unknown and passed over", flag))
	case len(p.rest) < 2 || strings.HasPrefix(p.rest[0], "-") || p.syntax.commands[p.rest[0]]:
		p.notes = append(p.notes, fmt.Sprintf("%s is unknown and passed over; it is taken to have no value", flag))
	case p.knows(p.rest[1]):
		p.notes = append(p.notes, fmt.Sprintf("%s is unknown and passed over; %q is taken for its value, since %s follows",
			flag, p.rest[0], p.rest[1]))
		p.rest = p.rest[1:]
	default:
		p.notes = append(p.notes, fmt.Sprintf("ambiguous: %s is unknown, and %q is taken for its value; write %s=%s, "+
			"or %s=true if it takes none", flag, p.rest[0], flag, p.rest[0], flag))
		p.rest = p.rest[1:]
	}
}

// knows reports whether arg is a flag of the lists.
func (p *split) knows(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return p.syntax.values[name] || p.syntax.bools[name]
	}
	return len(arg) > 1 && arg[0] == '-' && p.syntax.short[arg[1]] != ""
}
