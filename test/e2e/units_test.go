package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/hostfs"
	"github.com/capwise/capwise/scenario/lookup"
	"github.com/capwise/capwise/scenario/unit"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// allUnits asks for every variant of TestUnits; otherwise one of a few is tried.
const allUnits = "CAPWISE_E2E_UNITS"

// TestUnits judges several hundred units (settings, users, file capabilities), starts
// them under a systemd that runs, and compares what came of execve(2) and bind(2), and
// the credentials.
func TestUnits(t *testing.T) {
	results.report(t, "generated units do what is predicted", systemd.Name())
	need(t, append([]string{capwiseBinary()}, systemd.needs...)...)
	programs := map[string]*program.Program{}
	for file, made := range map[string]func() (*program.Program, error){"none": probeNone, "+p": probePermitted, "+ep": probeEffective} {
		programs[file] = get(t, made)
		systemd.ready(t, programs[file])
	}
	variants := generate(programs)
	if os.Getenv(allUnits) != "all" {
		const one = 9 // of so many, and so about 60
		var some []*variant
		for i := 0; i < len(variants); i += one {
			some = append(some, variants[i])
		}
		variants = some
	}
	began := time.Now()
	writeUnits(t, variants)
	startUnits(t, variants)
	agree := map[string]int{}
	for i, v := range variants {
		said := v.judge(t)
		const asked = 8 // of so many, one is asked the command about
		if i%asked == 0 {
			v.ask(t, said)
		}
		agree[said.outcome]++
		if v.did != said.outcome && (!said.hidden || v.did != "status 226") { // it fails at the mounts already
			t.Errorf("predicted %q, systemd: %q\n%s\n%s\nnotes: %s", said.outcome, v.did, v.text, v.evidence, said.notes)
			continue
		}
		for _, d := range v.differences(said) {
			t.Errorf("%s\n%s\n%s", d, v.text, v.evidence)
		}
	}
	t.Logf("%d units in %s: %v", len(variants), time.Since(began).Round(time.Second), agree)
	remedyUnits(t, variants)
}

// variant is a generated unit, and what came of it.
type variant struct {
	name, text string
	listen     scenario.Listen
	awareness  scenario.Awareness
	program    *program.Program
	// did is what the start came to, in the words of prediction.outcome, and facts what
	// the probe said of itself.
	did, evidence string
	facts         map[string]string
}

// prediction is what is said about a variant.
type prediction struct {
	outcome, notes string
	task           law.Task
	judged         bool // task is that of the program
	foreign        bool // in a user namespace of its own
	unknown        bool // it depends on something
	hidden         bool // the program is where something else is mounted
}

// unitSettings is the settings that are tried, PROGRAMS standing for the folder of
// the programs.
var unitSettings = []string{
	"", "CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=~CAP_NET_BIND_SERVICE CAP_KILL",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE",
	"NoNewPrivileges=yes", "NoNewPrivileges=yes\nAmbientCapabilities=CAP_NET_BIND_SERVICE", "SecureBits=noroot noroot-locked",
	"SystemCallFilter=@system-service", "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=~@privileged\nSystemCallErrorNumber=EPERM",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=~@privileged\nSystemCallFilter=capset",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=~capset:EINVAL", "SystemCallFilter=~@network-io",
	"SystemCallFilter=~bind:EACCES", "SystemCallFilter=~socket:EPERM", "SystemCallFilter=~listen", "SystemCallFilter=~listen:EACCES", "SystemCallFilter=~execve", "SystemCallFilter=~@clock",
	"RestrictAddressFamilies=AF_UNIX AF_NETLINK", "RestrictAddressFamilies=AF_INET AF_UNIX", "RestrictAddressFamilies=~AF_INET6",
	"RestrictAddressFamilies=~AF_INET AF_INET6", "RestrictAddressFamilies=none", "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET AF_INET6",
	"RestrictAddressFamilies=AF_INET AF_INET6\nRestrictAddressFamilies=~AF_INET AF_INET6",
	"NoExecPaths=/\nExecPaths=PROGRAMS", "NoExecPaths=PROGRAMS", "NoExecPaths=/\nExecPaths=/usr", "NoExecPaths=PROGRAMS\nNoExecPaths=",
	"NoExecPaths=/\nReadOnlyPaths=PROGRAMS", "NoExecPaths=/\nBindReadOnlyPaths=PROGRAMS", "NoExecPaths=/\nTemporaryFileSystem=/var\nBindPaths=PROGRAMS",
	"ProtectSystem=strict\nNoExecPaths=/\nReadOnlyPaths=PROGRAMS", "DynamicUser=yes\nNoExecPaths=/\nReadOnlyPaths=PROGRAMS",
	"NoExecPaths=/var\nReadWritePaths=PROGRAMS", "SystemCallFilter=~socket:EPERM\nSystemCallFilter=@system-service", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "InaccessiblePaths=PROGRAMS", "TemporaryFileSystem=/var:ro",
	"TemporaryFileSystem=/var\nBindReadOnlyPaths=PROGRAMS", "PrivateUsers=yes", "PrivateUsers=yes\nAmbientCapabilities=CAP_NET_BIND_SERVICE",
	"PrivateDevices=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "ProtectClock=yes", "PrivateNetwork=yes", "SocketBindDeny=any",
	"NoNewPrivileges=yes\nAmbientCapabilities=CAP_KILL", "NoNewPrivileges=yes\nSecureBits=keep-caps", "SecureBits=no-setuid-fixup",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=~@privileged\nSystemCallFilter=capset:EPERM",
	"AmbientCapabilities=CAP_NET_BIND_SERVICE\nSystemCallFilter=@system-service\nSystemCallFilter=~capset:EPERM",
	"SystemCallFilter=~@clock\nSystemCallFilter=capset:EPERM", "SystemCallFilter=~@clock\nSystemCallFilter=@clock", "SystemCallFilter=~@privileged:EPERM", "ReadOnlyPaths=/\nTemporaryFileSystem=/mnt",
	"SupplementaryGroups=65534", "Group=65534", "Group=12345", "SupplementaryGroups=12345", "IPAddressDeny=any",
}

// unitUsers is as whom a variant runs.
var unitUsers = []string{"", "User=65532", "User=nobody", "DynamicUser=yes", "User=12345", "User=no-such-user"}

// unitPrefixes is what stands before the program in ExecStart=.
var unitPrefixes = []string{"", "", "", "", "-", ":", "+", "!", "!!", "/usr/bin/env A=b ", "/usr/bin/nohup "}

// generate makes the variants: each setting for root and for another user with each
// file, and then a few settings at a time.
func generate(programs map[string]*program.Program) []*variant {
	files := []string{"none", "+p", "+ep"}
	var out []*variant
	add := func(file string, dumb bool, lines ...string) {
		out = append(out, newVariant(len(out), programs[file], dumb, "", lines))
	}
	for _, settings := range unitSettings {
		for _, user := range unitUsers[:2] {
			for _, file := range files {
				add(file, false, user, settings)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	const atLeast = 560
	for len(out) < atLeast {
		lines := []string{pick(unitUsers), pick(unitSettings), pick(unitSettings)}
		out = append(out, newVariant(len(out), programs[pick(files)], random.IntN(4) == 0, pick(unitPrefixes), lines))
	}
	return out
}

// newVariant writes a unit. Ports differ, since a few are started at once.
func newVariant(i int, p *program.Program, dumb bool, prefix string, lines []string) *variant {
	const first, ports = 100, 900
	port := first + i%ports
	v := &variant{
		name:      fmt.Sprintf("capwise-variant-%d.service", i),
		listen:    scenario.NewListen("tcp", port, port, "the test"),
		awareness: scenario.Aware,
		program:   p,
	}
	command := p.Path
	if dumb {
		v.awareness = scenario.Dumb
		command += " dumb"
	}
	command += " tcp/" + v.listen.Address
	command = prefix + command
	settings := strings.ReplaceAll(strings.Join(lines, "\n"), "PROGRAMS", filepath.Dir(p.Path))
	v.text = fmt.Sprintf("[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=30\nStandardOutput=file:/run/%s.out\nStandardError=journal\nExecStart=%s\n%s\n", v.name, command, settings)
	return v
}

// writeUnits puts the variants where systemd reads units, until the test ends.
func writeUnits(t *testing.T, variants []*variant) {
	folder := filepath.Join(systemdEngine.Root(), "run/systemd/system")
	t.Cleanup(func() {
		var errs []error
		for batch := range slices.Chunk(variants, 100) {
			_, err := systemdEngine.Systemctl(append([]string{"stop"}, names(batch)...)...)
			errs = append(errs, err)
		}
		for _, v := range variants {
			errs = append(errs, os.Remove(filepath.Join(folder, v.name)))
		}
		_, err := systemdEngine.Systemctl("daemon-reload")
		_, errFailed := systemdEngine.Systemctl("reset-failed")
		if err := errors.Join(append(errs, err, errFailed)...); err != nil {
			t.Error(err)
		}
	})
	for _, v := range variants {
		if err := os.WriteFile(filepath.Join(folder, v.name), []byte(v.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := systemdEngine.Systemctl("daemon-reload"); err != nil {
		t.Fatal(err)
	}
}

// startUnits starts the variants, a few at a time, and reads what came of them.
func startUnits(t *testing.T, variants []*variant) {
	const atOnce = 20
	for batch := range slices.Chunk(variants, atOnce) {
		_, _ = systemdEngine.Systemctl(append([]string{"start"}, names(batch)...)...) // fails where one of them does
		shown, err := systemdEngine.Systemctl(append([]string{"show", "--property=Id,ExecMainCode,ExecMainStatus"}, names(batch)...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(shown, "\n\n") {
			i := slices.IndexFunc(batch, func(v *variant) bool { return strings.Contains(text+"\n", "Id="+v.name+"\n") })
			if i < 0 {
				t.Fatalf("systemctl show: %s", text)
			}
			batch[i].read(t, text)
		}
	}
}

func names(variants []*variant) []string {
	out := make([]string, len(variants))
	for i, v := range variants {
		out[i] = v.name
	}
	return out
}

// read reads what came of a variant: what its program printed, and the state of
// the unit.
func (v *variant) read(t *testing.T, state string) {
	out, err := os.ReadFile(filepath.Join(systemdEngine.Root(), "run", v.name+".out"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	v.evidence, v.facts = state+"\n"+string(out), map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(line, ": ")
		v.facts[name] = strings.TrimSpace(value)
	}
	bound, did := v.facts["Bind tcp/"+v.listen.Address]
	const killed, dumped = "ExecMainCode=2", "ExecMainCode=3" // CLD_KILLED and CLD_DUMPED
	signal := strings.Contains(state, killed) || strings.Contains(state, dumped)
	status := regexp.MustCompile(`ExecMainStatus=(\d+)`).FindStringSubmatch(state)[1]
	switch {
	case did:
		v.did = "bind " + errnoOf(bound)
	case signal && len(v.facts) > 0:
		v.did = "bind SIGSYS"
	case signal:
		v.did = "exec SIGSYS"
	case strings.Contains(v.text, "/bin/env ") || strings.Contains(v.text, "/bin/nohup "):
		v.did = "status " + regexp.MustCompile("^12[67]$").ReplaceAllString(status, "203") // those of env and nohup
	case strings.Contains(v.text, "ExecStart=-") && status == "0": // a program that is not there is passed over
		v.did = "status 203"
	default:
		v.did = "status " + status
	}
}

// errnoOf is the name of the errno in a message of the probe.
func errnoOf(message string) string {
	for text, name := range map[string]string{
		"operation not permitted": "EPERM", "permission denied": "EACCES", "address family not supported": "EAFNOSUPPORT", "invalid argument": "EINVAL",
	} {
		if strings.Contains(message, text) {
			return name
		}
	}
	return message
}

// judge predicts what comes of a variant, from its text.
func (v *variant) judge(t *testing.T) prediction {
	root := systemdEngine.Root()
	starts, err := unit.System{Root: root, Version: versions[systemd.Name()], SocketFilters: unit.No}.Load(v.name)
	if err != nil || len(starts) != 1 {
		t.Fatalf("%s: %d starts, %v", v.name, len(starts), err)
	}
	s := &starts[0]
	lookup.Resolve(s, hostfs.New(root), scenario.ImageConfig{}, lookup.Given{Listens: []scenario.Listen{v.listen}, Awareness: v.awareness})
	for _, u := range s.Unknowns { // a user that is not there: the machine is this one
		if u.Fact != scenario.FactUser {
			t.Errorf("%s is said to be unknown\n%s", u.What, v.text)
		}
		u.Cases[len(u.Cases)-1].Set(s)
	}
	j := diagnose.Judge(law.Kernel{}, s)
	p := prediction{notes: strings.Join(s.Notes, "; "), task: j.Task, judged: j.Exec.OK(), foreign: s.Settings.UserNamespace, hidden: j.Exec.Cause == diagnose.HiddenPath, unknown: len(s.Unknowns) > 0}
	switch {
	case s.Refused != nil && s.Refused.Cause == scenario.CauseUnknownUser:
		p.outcome = "status " + regexp.MustCompile(`\((\d+)/`).FindStringSubmatch(s.Refused.Reason)[1]
	case strings.Contains(j.Exec.Reason, "226/NAMESPACE"):
		p.outcome = "status 226"
	case j.Exec.Errno == law.SIGSYS:
		p.outcome = "exec SIGSYS"
	case !j.Exec.OK():
		p.outcome = "status 203"
	case j.Binds[0].OK():
		p.outcome = "bind ok"
	default:
		p.outcome = "bind " + j.Binds[0].Errno.String()
	}
	return p
}

// ask asks capwise explain the same, by the name of the unit.
func (v *variant) ask(t *testing.T, said prediction) {
	out, code := v.explain(t)
	const fails, depends = 2, 3
	want := []int{fails}
	switch {
	case said.unknown: // FAIL where it fails for all that it may be
		want = append(want, depends)
	case said.outcome == "bind ok":
		want = []int{0}
		if strings.Contains(v.text, "SocketBindDeny=") { // whether it counts is not known with --root
			want = []int{depends}
		}
	}
	if !slices.Contains(want, code) {
		t.Errorf("explain: exit code %d, want %v\n%s\n%s", code, want, v.text, out)
	}
}

// explain runs capwise explain on the unit with more flags, and returns what it prints
// and its exit code.
func (v *variant) explain(t *testing.T, flags ...string) (string, int) {
	args := append([]string{
		"explain", "--root=" + systemdEngine.Root(), "--runtime-version=" + versions[systemd.Name()],
		"--program=" + string(v.awareness), "--listen=" + v.listen.Address,
	}, flags...)
	out, err := exec.Command(capwiseBinary(), append(args, "-f", v.name)...).Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

// differences compares the credentials.
func (v *variant) differences(said prediction) []string {
	if !said.judged {
		return nil
	}
	machine, err := cred.Current()
	if err != nil {
		return []string{err.Error()}
	}
	mine := machine.Bounding
	if said.foreign {
		mine = capset.All
	}
	var out []string
	compare := func(key, want string) {
		if got := v.facts[key]; got != want {
			out = append(out, fmt.Sprintf("%s is %s, predicted %s", key, got, want))
		}
	}
	sets := said.task.Sets
	for key, set := range map[string]capset.Set{
		"CapBnd": sets.Bounding, "CapPrm": sets.Permitted, "CapEff": sets.Effective, "CapInh": sets.Inheritable, "CapAmb": sets.Ambient,
	} {
		compare(key, fmt.Sprintf("%016x", uint64(set&mine)))
	}
	if !strings.Contains(v.text, "DynamicUser=") { // whose number is assumed
		id := strconv.FormatUint(uint64(said.task.UID.Real), 10)
		compare("Uid", strings.Join([]string{id, id, id, id}, " "))
	}
	noNewPrivs := "0"
	if said.task.NoNewPrivs {
		noNewPrivs = "1"
	}
	compare("NoNewPrivs", noNewPrivs)
	return out
}
