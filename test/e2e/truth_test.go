package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/engine"
	"github.com/capwise/capwise/test/e2e/internal/program"
)

// versions is what explain is told about the runtimes of this machine.
var versions = map[string]string{"runc": "1.1.5", "docker": "20.10.24", "podman+runc": "4.3.1", "podman+crun": "4.3.1", "systemd": "252.38"}

// start is one program start, about which explain and the runtime must agree.
type start struct {
	file   string // file capabilities: a key of truthFiles
	user   string
	add    bool // CAP_NET_BIND_SERVICE
	nnp    bool
	dumb   bool // the program does not raise by itself
	asks   bool // explain is not told image and version, and asks the engine
	listen string
	port   int // ip_unprivileged_port_start
	extra  []string
	args   []string // instead of the program's
}

var truthFiles = map[string]func() (*program.Program, error){
	"none": probeNone, "+p": probePermitted, "+ep": probeEffective, "other": probeOther, "foreign": probeForeign,
}

func (s start) String() string {
	words := []string{s.file, "uid " + s.user, s.listen, fmt.Sprint("from ", s.port)}
	for word, is := range map[string]bool{"cap": s.add, "nnp": s.nnp, "dumb": s.dumb, "asks": s.asks} {
		if is {
			words = append(words, word)
		}
	}
	slices.Sort(words[4:])
	return strings.Join(append(append(words, s.extra...), s.args...), ", ")
}

// starts is what is asked of a runtime: every combination of what matters most,
// and what only this runtime has.
func starts(r *runtimeUnderTest) []start {
	var out []start
	for _, file := range []string{"none", "+p", "+ep"} {
		for _, user := range users {
			for _, add := range []bool{false, true} {
				for _, nnp := range []bool{false, true} {
					out = append(out, start{file: file, user: user, add: add, nnp: nnp, listen: "tcp/:80", port: 1024})
				}
			}
		}
	}
	out = append(out,
		start{file: "none", user: "65532", listen: "tcp/:8080", port: 1024},
		start{file: "+ep", user: "65532", listen: "tcp/:8080", port: 1024},
		start{file: "none", user: "65532", listen: "udp/:53", port: 1024},
		start{file: "+p", user: "65532", add: true, dumb: true, listen: "tcp/:80", port: 1024},
		start{file: "+p", user: "65532", add: true, nnp: true, dumb: true, listen: "tcp/:80", port: 1024},
		start{file: "other", user: "65532", add: true, listen: "tcp/:80", port: 1024},
	)
	switch r {
	case systemd:
		// Where ports begin in a network that the unit joins, it does not say.
		return append(out, systemdStarts()...)
	case runcAlone:
		return append(out,
			start{file: "none", user: "65532", add: true, listen: "tcp/:80", port: 1024, extra: []string{"inheritable", "ambient"}},
			start{file: "none", user: "65532", add: true, nnp: true, listen: "tcp/:80", port: 1024, extra: []string{"inheritable", "ambient"}},
			start{file: "other", user: "65532", add: true, listen: "tcp/:80", port: 1024, extra: []string{"inheritable", "ambient"}},
			start{file: "+p", user: "65532", add: true, listen: "tcp/:80", port: engine.AnyPortStart, extra: []string{"users"}},
			start{file: "none", user: "0", add: true, listen: "tcp/:80", port: engine.AnyPortStart, extra: []string{"users"}},
			start{file: "+ep", user: "0", listen: "tcp/:80", port: engine.AnyPortStart, extra: []string{"users"}},
		)
	}
	out = append(out,
		start{file: "none", user: "65532", listen: "udp/:53", port: 53},
		start{file: "none", user: "65532", args: []string{"/usr/bin/nothing"}, port: 1024},
		start{file: "+p", user: "0", args: []string{"nothing"}, port: 1024},
		start{file: "none", user: "0", args: []string{"/etc"}, port: 1024},
		start{file: "none", user: "nobody", listen: "tcp/:80", port: 1024},
		start{file: "+p", user: "nobody", listen: "tcp/:8080", port: 1024},
	)
	if r == docker {
		out = append(out,
			start{file: "+p", user: "65532", add: true, listen: "tcp/:80", port: engine.AnyPortStart, extra: []string{"--network=host"}},
			start{file: "none", user: "65532", listen: "tcp/:80", port: engine.AnyPortStart, extra: []string{"--network=host"}},
			start{file: "none", user: "65532", listen: "tcp/:80", port: engine.AnyPortStart},
			start{file: "+p", user: "65532", add: true, listen: "tcp/:80", port: 1024, extra: []string{"--network=host"}},
			start{file: "none", user: "0", listen: "tcp/:8080", port: 1024, extra: []string{"--network=host"}},
			start{file: "+p", user: "65532", add: true, listen: "tcp/:80", port: 1024, extra: []string{"--init"}},
			start{file: "+p", user: "0", add: true, nnp: true, listen: "tcp/:80", port: 1024, extra: []string{"--init"}},
			start{file: "none", user: "65532", listen: "tcp/:80", port: 1024, extra: []string{"--privileged"}},
			// Whose outcome depends on Docker's version.
			start{file: "+p", user: "65532", add: true, nnp: true, listen: "tcp/:80", port: 1024, asks: true},
		)
	}
	return out
}

func systemdStarts() []start {
	of := func(file string, add bool, extra ...string) start {
		user := "65532"
		if slices.Contains(extra, dynamicUser) {
			user = ""
		}
		return start{file: file, user: user, add: add, listen: "tcp/:80", port: 1024, extra: extra}
	}
	return []start{
		of("none", true, ambient), of("+p", true, ambient), of("other", true, ambient), of("+ep", true, ambient),
		of("none", true, ambient, "--property=ProtectSystem=strict", "--property=NoNewPrivileges=yes"),
		of("+p", true, "--property=ProtectSystem=strict", "--property=NoNewPrivileges=yes"),
		of("+p", true, dynamicUser), of("none", true, dynamicUser, ambient), of("+ep", true, dynamicUser),
		of("none", true, privateUsers, ambient), of("+p", true, privateUsers), of("+ep", false, privateUsers),
		of("none", true, privateUsers, ambient, "--property=PrivateNetwork=yes"), of("+p", true, privateUsers, "--property=PrivateNetwork=yes"),
		of("foreign", true), of("foreign", false), of("foreign", true, ambient),
	}
}

// TestTruth asks explain about each start, then makes it, and requires the same
// answer. Where it fails, the first remedy must work for real, and so must the
// first that leaves the port as it is.
func TestTruth(t *testing.T) {
	for _, r := range append(slices.Clone(runtimes), runcAlone) {
		t.Run(r.Name(), func(t *testing.T) {
			results.report(t, "explain foretells every start, and its remedies work", r.Name())
			need(t, append([]string{"root", "go", capwiseBinary()}, r.needs...)...)
			t.Parallel()
			for _, s := range starts(r) {
				t.Run(s.String(), func(t *testing.T) { s.hold(t, r) })
			}
		})
	}
}

// hold makes the start and holds explain to it.
func (s start) hold(t *testing.T, r *runtimeUnderTest) {
	said := s.explain(t, r)
	if did := s.make(t, r); did != said.outcome() {
		t.Fatalf("explain says %q, %s does %q\n%s", said.outcome(), r.Name(), did, said.text)
	}
	if said.Verdict == "ok" {
		return
	}
	if len(said.Remedies) == 0 {
		if said.Exec.Cause == "" || said.Exec.Errno != "" {
			t.Errorf("no remedy\n%s", said.text)
		}
		return // a runtime's refusal, such as a program that is not there
	}
	keeps := slices.IndexFunc(said.Remedies, func(m remedyFound) bool { return !strings.Contains(m.Change, "change-port") })
	for _, i := range slices.Compact([]int{0, max(keeps, 0)}) {
		m := said.Remedies[i]
		changed, err := s.apply(m.Change, r)
		if err != nil {
			t.Errorf("%s: %v", m.Change, err)
			continue
		}
		if did := changed.make(t, r); did != "ok" {
			t.Errorf("the remedy %q (%s) does not help: %s\n%s", m.How, m.Change, did, said.text)
		}
	}
}

// answer is what explain says about a start.
type answer struct {
	Verdict  string
	Exec     struct{ Errno, Cause string }
	Binds    []struct{ Errno string }
	Remedies []remedyFound
	text     string
}

type remedyFound struct {
	Change, How string
	Patch       string
	FilePatch   string `json:"file_patch"`
	ByHand      string `json:"by_hand"`
}

// outcome is the answer in the words of start.make.
func (a answer) outcome() string {
	switch {
	case a.Verdict == "ok":
		return "ok"
	case a.Exec.Errno != "":
		return "exec " + a.Exec.Errno
	case a.Exec.Cause != "":
		return "refused"
	default:
		return "bind " + a.Binds[0].Errno
	}
}

func (s start) spec(t *testing.T) engine.Spec {
	t.Helper()
	spec := engine.Spec{Program: get(t, truthFiles[s.file]), User: s.user, PortStart: s.port, NoNewPrivs: s.nnp, Extra: slices.Clone(s.extra)}
	if s.add {
		spec.Add = []string{engine.NetBindService}
	}
	if s.dumb {
		spec.Args = append(spec.Args, "dumb")
	}
	spec.Args = append(spec.Args, s.listen)
	if s.args != nil {
		spec.Command = s.args
	}
	return spec
}

// explain asks about the very command line that a person would type.
func (s start) explain(t *testing.T, r *runtimeUnderTest) answer {
	t.Helper()
	spec := s.spec(t)
	r.ready(t, spec.Program)
	name := fmt.Sprintf("capwise-e2e-%d", units.Add(1))
	argv, err := r.Command(name, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Remove(name); err != nil && r == systemd {
			t.Error(err) // its network namespace; of containers there is none yet
		}
	})
	first := slices.IndexFunc(argv, func(arg string) bool {
		return slices.Contains([]string{"docker", "podman", "systemd-run"}, filepath.Base(arg))
	})
	args := []string{"explain", "--format=json"}
	if !s.asks {
		args = append(args, "--runtime-version="+versions[r.Name()])
	}
	if !s.asks && r != systemd && r != runcAlone {
		args = append(args, "--image=docker-archive:"+spec.Program.Archive)
	}
	if r == systemd { // which has users of its own
		args = append(args, "--root="+systemdEngine.Root())
	}
	if s.listen != "" {
		args = append(args, "--listen="+s.listen)
	}
	awareness := "aware"
	if s.dumb {
		awareness = "dumb"
	}
	args = append(args, "--program="+awareness)
	if r == runcAlone {
		args = append(args, "-f", ociEngine.Config(name))
	} else {
		args = append(append(args, "--"), argv[first:]...)
	}
	cmd := exec.Command(capwiseBinary(), args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+dockerEngine.Host())
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) {
		t.Fatalf("explain: %v: %s", err, exit.Stderr)
	}
	var found struct{ Starts []answer }
	if err := json.Unmarshal(out, &found); err != nil || len(found.Starts) != 1 {
		t.Fatalf("explain printed %s: %v", out, err)
	}
	found.Starts[0].text = string(out)
	return found.Starts[0]
}

// make makes the start and returns "ok", "exec EPERM", "bind EACCES" or
// "refused", where the runtime does not come to execute a program.
func (s start) make(t *testing.T, r *runtimeUnderTest) string {
	t.Helper()
	p := r.begin(t, s.spec(t))
	code := p.wait(t)
	if bound, ok := strings.CutPrefix(lastLine(p.stdout.String()), "Bind "+s.listen+": "); code == 0 && ok {
		if bound == "ok" {
			return "ok"
		}
		return "bind " + bound
	}
	evidence := p.stderr.String()
	if r == systemd {
		journal, err := systemdEngine.Journal(p.name)
		if err != nil {
			t.Fatal(err)
		}
		evidence += journal
	}
	evidence = strings.ToLower(evidence)
	// crun opens what it executes, and has these words for a folder.
	if strings.Contains(evidence, "operation not permitted") && !strings.Contains(evidence, "open executable") {
		return "exec EPERM"
	}
	return "refused"
}

// apply makes the changes of a remedy, as its words say them.
func (s start) apply(changes string, r *runtimeUnderTest) (start, error) {
	s.extra = slices.Clone(s.extra)
	without := func(options ...string) {
		s.extra = slices.DeleteFunc(s.extra, func(o string) bool { return slices.Contains(options, o) })
	}
	for change := range strings.SplitSeq(changes, "+") {
		switch change {
		case "change-port":
			s.listen = map[string]string{"tcp/:80": "tcp/:8080", "udp/:53": "udp/:8053"}[s.listen]
		case "sysctl", "host-sysctl":
			s.port = map[string]int{"tcp/:80": 80, "udp/:53": 53}[s.listen]
		case "no-sysctl":
			s.port = engine.AnyPortStart
		case "file-permitted", "file-grant":
			s.file = "+p"
		case "file-grant-effective":
			s.file = "+ep"
		case "file-strip":
			s.file = "none"
		case "direct", "no-init":
			without("--init")
		case "add-capability":
			s.add = true
		case "ambient":
			s.add = true
			s.extra = append(s.extra, ambientOf(r)...)
		case "own-network":
			without("--network=host")
			if r == runcAlone { // where the two go together, in these tests
				without("users")
			}
		case "host-users":
			without(privateUsers, "users")
		case "allow-new-privs":
			s.nnp = false
			without("--property=NoNewPrivileges=yes")
		case "run-as-root":
			s.user = "0"
		default:
			return s, fmt.Errorf("the test does not know the change %q", change)
		}
	}
	return s, nil
}

// ambientOf is how a runtime is asked for an ambient capability.
func ambientOf(r *runtimeUnderTest) []string {
	if r == runcAlone {
		return []string{"inheritable", "ambient"}
	}
	return []string{ambient}
}
