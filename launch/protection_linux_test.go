package launch_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestProtection holds the table of docs/launcher.md: what protects a program from who
// starts it, with +ep and behind a launcher, as a real program finds it.
func TestProtection(t *testing.T) {
	need.Root(t)
	need.Setting(t, "kernel/core_pattern", "a file in the working folder", func(is string) bool {
		return !strings.HasPrefix(is, "|") && !strings.HasPrefix(is, "/")
	})
	dir := kerneltest.PublicDir(t, "")
	plain := filepath.Join(dir, "protected")
	if out, err := exec.Command(need.Tool(t, "gcc"), "-o", plain, "testdata/protected.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(plain)
	check(t, err)
	behind := func(name string, by launch.Means, carries string) string {
		place := filepath.Join(dir, name)
		check(t, os.Mkdir(place, 0o755))
		target := write(t, filepath.Join(place, "program.capwise"), content, carries)
		return install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target, By: by}, bindCap)
	}
	columns := map[string]string{
		"`+ep`":                               write(t, filepath.Join(dir, "ep"), content, "cap_net_bind_service=ep"),
		"behind a launcher":                   behind("file", launch.File, "cap_net_bind_service=ei"),
		"behind one without secure execution": behind("ambient", launch.Ambient, ""),
	}
	// What is tried succeeds with a program that nothing protects.
	free := protection(t, plain)
	for _, row := range []string{"who starts it can't read its memory", "who starts it can't trace it", "who starts it gets no core", "`AT_SECURE` is set", "`secure_getenv` hides variables", "`LD_PRELOAD` has no effect"} {
		if free[row] != "no" {
			t.Errorf("a program without capabilities: %s: %q", row, free[row])
		}
	}
	want := protectionTable(t)
	for column, path := range columns {
		got := protection(t, path)
		if !maps.Equal(got, want[column]) {
			t.Errorf("%s: a program has\n%v\nand docs/launcher.md says\n%v", column, got, want[column])
		}
	}
}

// protectionTable reads the table from the documentation: by column, then by row.
func protectionTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/launcher.md")
	check(t, err)
	out := map[string]map[string]string{}
	var columns []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case strings.HasPrefix(line, "| protection |"):
			columns = cells
			for _, c := range columns[1:] {
				out[c] = map[string]string{}
			}
		case columns == nil || strings.HasPrefix(line, "|---"):
		case len(cells) == len(columns):
			for i, c := range columns[1:] {
				out[c][cells[0]] = cells[i+1]
			}
		default:
			return out
		}
	}
	return out
}

// protection starts the program as a user, and tries what he could do to it.
func protection(t *testing.T, path string) map[string]string {
	t.Helper()
	got := map[string]string{}
	p := startProtected(t, path)
	said := p.said
	yes := func(ok bool) string { return map[bool]string{true: "yes", false: "no"}[ok] }
	got["`AT_SECURE` is set"] = yes(strings.Contains(said, "secure 1"))
	got["`secure_getenv` hides variables"] = yes(strings.Contains(said, "environment hidden"))
	got["`LD_PRELOAD` has no effect"] = yes(strings.Contains(said, "preload taken out"))
	got["children have no capability"] = yes(strings.Contains(said, "CapPrm:\t0000000000000000"))
	got["inherited descriptors are open"] = yes(strings.Contains(said, "descriptor open"))
	pid := fmt.Sprint(p.cmd.Process.Pid)
	got["who starts it can't read its memory"] = yes(asUserCommand("dd", "if=/proc/"+pid+"/mem", "of=/dev/null", "count=0").Run() != nil)
	trace := asUserCommand("timeout", "--signal=INT", "1", need.Tool(t, "strace"), "-qq", "-o", "/dev/null", "-p", pid)
	_ = trace.Run()                                                               // it ends in time where it can
	got["who starts it can't trace it"] = yes(trace.ProcessState.ExitCode() == 1) // 124 if it had to be stopped
	p.end(t)
	got["who starts it gets no core"] = yes(!dumpsCore(t, path))
	got["writing to it takes the capability away"] = yes(!capableAfterWrite(t, path))
	return got
}

type protected struct {
	cmd  *exec.Cmd
	in   io.Closer
	said string
}

// startProtected starts the program and reads what it says.
func startProtected(t *testing.T, path string) protected {
	t.Helper()
	read, write, err := os.Pipe()
	check(t, err)
	defer read.Close()
	defer write.Close()
	cmd := asUserCommand(path, "wait")
	cmd.Env = []string{"CAPWISE_TEST=1", "LD_PRELOAD=/nowhere.so", "PATH=/usr/bin:/bin"}
	cmd.ExtraFiles = []*os.File{write, write, write, write, write, write, write} // 3 to 9
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	p := protected{cmd: cmd, in: in}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		p.said += lines.Text() + "\n"
	}
	return p
}

func (p protected) end(t *testing.T) {
	t.Helper()
	check(t, p.in.Close())
	check(t, p.cmd.Wait())
}

// asUserCommand is a command of the user who starts the program.
func asUserCommand(argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: kerneltest.UID, Gid: kerneltest.UID}}
	return cmd
}

// dumpsCore reports whether a signal makes the program leave a core that its user
// can read.
func dumpsCore(t *testing.T, path string) bool {
	t.Helper()
	dir := kerneltest.PublicDir(t, "")
	check(t, os.Chmod(dir, 0o777))
	cmd := asUserCommand("/bin/sh", "-c", `ulimit -c unlimited; "$0" wait <&8 >/dev/null & sleep 0.3; kill -SEGV $!; wait; exit 0`, path)
	cmd.Dir = dir
	read, write, err := os.Pipe()
	check(t, err)
	defer write.Close()
	defer read.Close()
	cmd.ExtraFiles = []*os.File{read, read, read, read, read, read} // 3 to 8
	check(t, cmd.Run())
	left, err := filepath.Glob(dir + "/core*")
	check(t, err)
	return len(left) > 0
}

// capableAfterWrite writes to the program, as its owner could, and reports whether it
// is permitted its capability all the same.
func capableAfterWrite(t *testing.T, path string) bool {
	t.Helper()
	program := path
	if target := filepath.Join(filepath.Dir(path), "program.capwise"); filepath.Base(path) == "launcher" {
		program = target
	}
	content, err := os.ReadFile("/bin/cat")
	check(t, err)
	check(t, os.WriteFile(program, content, 0o755))
	out, err := asUserCommand(path, "/proc/self/status").Output()
	check(t, err)
	return slices.Contains(strings.Split(string(out), "\n"), "CapPrm:\t0000000000000400")
}
