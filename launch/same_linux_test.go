package launch_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// facts is what a process can find out about itself that a launcher could change.
var facts = []string{
	"/proc/self/status", "/proc/self/stat", "/proc/self/limits", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/comm",
	"/proc/self/oom_score_adj", "/proc/self/coredump_filter", "/proc/self/personality", "/proc/self/timerslack_ns", "/proc/self/cgroup",
	"/dev/fd/5",
}

// environment has what is rarely in one: duplicates, no "=", nothing before it.
var environment = []string{
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "GOTRACEBACK=crash", "A=2", "none", "=x", "", "GOTRACEBACK=all", "E=", "GODEBUG=x=1", "Z=\xff\n",
}

// callers is how the program is started: what is set up before.
var callers = map[string][]string{
	"plainly": nil,
	"signals ignored": {
		"env", "--ignore-signal=PIPE,QUIT,TERM,HUP,INT,CHLD,URG,USR1,PROF,SEGV,RTMIN,RTMIN+7,RTMAX",
	},
	"signals blocked": {"env", "--block-signal=PIPE,TERM,CHLD,SEGV,BUS,PROF,URG,SYS,RTMIN+5"},
	"both":            {"env", "--ignore-signal=PIPE,CHLD", "--block-signal=PIPE,CHLD,INT"},
	"limits":          {"prlimit", "--nofile=100:200", "--core=0:0", "--stack=1048576"},
	"low limits":      {"prlimit", "--nofile=50:50"},
	"niceness":        {"nice", "-n", "7", "chrt", "--batch", "0"},
	"affinity":        {"taskset", "1"},
	"a session":       {"setsid", "--wait"},
}

// TestSame starts a program bare and behind a launcher, and compares what it
// finds out about itself.
func TestSame(t *testing.T) {
	need.Root(t)
	for name, caller := range callers {
		for _, fileCaps := range []string{"", bindCap} {
			t.Run(fmt.Sprintf("%s, launcher %q", name, fileCaps), func(t *testing.T) {
				dir := kerneltest.PublicDir(t, "")
				target := filepath.Join(dir, "cat")
				copyProgram(t, "/bin/cat", target)
				launcher := install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target}, fileCaps)
				for _, fact := range facts {
					bare := start(t, slices.Concat(caller, []string{target, fact}))
					behind := start(t, slices.Concat(caller, []string{launcher, fact}))
					switch fact {
					case "/proc/self/status":
						bare, behind = status(bare, fileCaps != ""), status(behind, fileCaps != "")
					case "/proc/self/stat":
						bare, behind = stat(bare), stat(behind)
					case "/proc/self/cmdline": // the path that was typed
						bare = strings.Replace(bare, target, launcher, 1)
					}
					if bare != behind || bare == "" {
						t.Errorf("%s differs bare and behind the launcher:\n%q\n%q", fact, bare, behind)
					}
				}
			})
		}
	}
}

// TestSameForThread does so with what only its thread knows. Where a file gives
// capabilities the kernel itself takes the parent-death signal away.
func TestSameForThread(t *testing.T) {
	need.Root(t)
	setpriv := need.Tool(t, "setpriv")
	target := filepath.Join(kerneltest.PublicDir(t, ""), "dump")
	copyProgram(t, setpriv, target)
	launcher := install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target}, "")
	caller := []string{setpriv, "--pdeathsig=HUP", "--securebits=+no_setuid_fixup,+keep_caps_locked", "--no-new-privs"}
	dump := func(program string) string {
		out, err := exec.Command(caller[0], append(caller[1:], program, "--dump")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		// As root it has the capability anyway; ambient and inheritable it is behind the launcher.
		return strings.ReplaceAll(string(out), "capabilities: net_bind_service\n", "capabilities: [none]\n")
	}
	bare, behind := dump(target), dump(launcher)
	if bare != behind || !strings.Contains(bare, "Parent death signal: HUP") {
		t.Errorf("bare:\n%s\nbehind the launcher:\n%s", bare, behind)
	}
}

// start runs a command line as UID with the environment, umask, working
// directory and a descriptor of its own, and returns what it writes.
func start(t *testing.T, argv []string) string {
	t.Helper()
	path, err := exec.LookPath(argv[0])
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	five, err := os.Open("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer five.Close()
	old := syscall.Umask(0o137)
	p, err := os.StartProcess(path, argv, &os.ProcAttr{
		Dir: "/usr/lib", Env: environment, Files: []*os.File{nil, write, write, nil, nil, five},
		Sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: kerneltest.UID, Gid: kerneltest.UID, Groups: []uint32{7, 8}}},
	})
	syscall.Umask(old)
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Fatalf("%q: %v, %v: %s", argv, state, err, out)
	}
	return string(out)
}

// status leaves out of /proc/PID/status what differs from one start to the next
// and, if the launcher gives a capability, the sets that are meant to differ.
func status(text string, given bool) string {
	passing := regexp.MustCompile(`(?m)^(\w*pid|\w*tgid|NSpgid|NSsid|Pid|Tgid|PPid|SigQ|\w*ctxt_switches|Vm\w+|Rss\w+|Hugetlb\w+):.*\n`)
	text = passing.ReplaceAllString(text, "")
	if given {
		text = regexp.MustCompile(`(?m)^Cap(Inh|Prm|Eff|Amb):.*\n`).ReplaceAllString(text, "")
	}
	return text
}

// stat keeps of a line of /proc/PID/stat whether the process leads its group and
// session, its priority, niceness, signals and scheduling policy.
func stat(line string) string {
	f := strings.Fields(line)
	leads := f[4] == f[0]
	return fmt.Sprintln(leads, f[5] == f[0], f[17], f[18], f[19], f[30:34], f[37], f[39:41])
}

func copyProgram(t testing.TB, from, to string) {
	t.Helper()
	program, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, program, "")
}

// TestSecureEnvironment holds that variables by which the dynamic linker loads
// code go where, and only where, the launcher's file gave the capability.
func TestSecureEnvironment(t *testing.T) {
	need.Root(t)
	dir := kerneltest.PublicDir(t, "")
	target := filepath.Join(dir, "env")
	copyProgram(t, "/usr/bin/env", target)
	unsafe := []string{"LD_PRELOAD=/tmp/evil.so", "LD_LIBRARY_PATH=/tmp", "LD_AUDIT=/tmp/evil.so", "LD_ANYTHING=1", "GCONV_PATH=/tmp", "TZDIR=/tmp", "OPENSSL_CONF=/tmp/x", "GLIBC_TUNABLES=a.b.c=1"}
	harmless := []string{"LDX=1", "PRELOAD=1", "OPENSSL_CONFIG=1", "TMPDIRS=/x", "GOTRACEBACK=all"}
	all := slices.Concat(unsafe[1:], harmless) // what would be loaded is not there
	for name, c := range map[string]struct {
		fileCaps string
		by       launch.Means
		uid      uint32
		env      []string
		want     []string
	}{
		"the launcher's file gives it": {bindCap, launch.Ambient, kerneltest.UID, slices.Concat(unsafe, harmless), harmless},
		"nothing gives it":             {"", launch.Ambient, kerneltest.UID, all, all},
		"root has it":                  {"", launch.Ambient, 0, all, all},
		"the target's file would":      {bindCap, launch.File, kerneltest.UID, all, all},
	} {
		launcher := install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target, By: c.by}, c.fileCaps)
		cmd := exec.Command(launcher)
		cmd.Env = c.env
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(string(bytes.TrimSpace(out))); !slices.Equal(got, c.want) {
			t.Errorf("%s: the target's environment is %q, want %q", name, got, c.want)
		}
	}
}

// TestAsTheDynamicLinker holds the variables that a launcher takes out against
// those that this machine's ld.so takes out for a file with +ep.
func TestAsTheDynamicLinker(t *testing.T) {
	need.Root(t)
	dir := kerneltest.PublicDir(t, "")
	target := filepath.Join(dir, "env")
	copyProgram(t, "/usr/bin/env", target)
	launcher := install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target}, bindCap)
	program, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	dumb := write(t, filepath.Join(dir, "dumb"), program, "cap_net_bind_service=ep")
	linker, err := os.ReadFile("/lib64/ld-linux-x86-64.so.2")
	if err != nil {
		t.Skip("needs glibc's ld.so for amd64") // other architectures have the same list
	}
	// Every string in ld.so that could be a variable.
	var env []string
	for _, word := range regexp.MustCompile(`[A-Z][A-Z_]{2,}`).FindAllString(string(linker), -1) {
		env = append(env, word+"=/nowhere")
	}
	slices.Sort(env)
	env = slices.Compact(env)
	seen := map[string][]string{}
	for _, path := range []string{dumb, launcher} {
		cmd := exec.Command(path)
		cmd.Env = env
		code, out, complaint := asUser(t, cmd)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, complaint)
		}
		seen[path] = strings.Fields(out)
	}
	if len(seen[dumb]) == len(env) {
		t.Errorf("ld.so took nothing out of %q", env)
	}
	for _, variable := range seen[launcher] {
		if !slices.Contains(seen[dumb], variable) {
			t.Errorf("ld.so takes %s out, the launcher does not", variable)
		}
	}
	for _, variable := range seen[dumb] {
		if !slices.Contains(seen[launcher], variable) {
			t.Logf("only the launcher takes %s out", variable)
		}
	}
}
