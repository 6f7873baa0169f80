package launch_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// asUser runs a command line as another user, and returns its exit code, what it
// printed, and what it complained about.
func asUser(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: kerneltest.UID, Gid: kerneltest.UID}}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), complaint.String()
}

// ownTarget prints its name and its ambient set.
const ownTarget = "#!/bin/sh\necho own \"$0\" \"$@\" $(sed -n 's/CapAmb:.//p' /proc/self/status)\n"

// TestPinned lets another user, and one who may write where he should not, try
// to make a launcher start something else. It must then start nothing; and
// without capabilities to give, what is at the target's path.
func TestPinned(t *testing.T) {
	need.Root(t)
	chown := func(uid int) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.Chown(dir+"/in/prog", uid, 0)) }
	}
	mode := func(name string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.Chmod(dir+name, mode)) }
	}
	for name, c := range map[string]struct {
		setup func(*testing.T, string)
		owner uint32
		code  int
		says  string // "" where the target starts
		plain int    // exit code where nothing can be given
	}{
		"nothing wrong":            {},
		"sticky folder":            {setup: mode("/in", 0o777|os.ModeSticky)},
		"owner of the file":        {setup: chown(1234), owner: 1234},
		"target of another user":   {setup: chown(1234), code: 125, says: "/in/prog: belongs to user 1234"},
		"of the caller":            {setup: chown(kerneltest.UID), owner: 7, code: 125, says: "belongs to user 65532"},
		"writable by group":        {setup: mode("/in/prog", 0o775), code: 125, says: "/in/prog: others than its owner may write"},
		"writable by others":       {setup: mode("/in/prog", 0o757), code: 125, says: "/in/prog: others than its owner may write"},
		"writable folder":          {setup: mode("/in", 0o777), code: 125, says: "/in: others than its owner may write"},
		"folder writable by group": {setup: mode("/in", 0o775), code: 125, says: "/in: others than its owner may write"},
		"folder above writable":    {setup: mode("", 0o757), code: 125, says: ": others than its owner may write"},
		"not executable":           {setup: mode("/in/prog", 0o644), code: 126, says: "/in/prog: permission denied", plain: 126},
		"missing": {setup: func(t *testing.T, dir string) {
			check(t, os.Remove(dir+"/in/prog"))
		}, code: 127, says: "/in/prog: no such file or directory", plain: 127},
		"symbolic link": {setup: func(t *testing.T, dir string) {
			check(t, os.Rename(dir+"/in/prog", dir+"/in/other"), os.Symlink("other", dir+"/in/prog"))
		}, code: 125, says: "/in/prog: a symbolic link"},
		"linked folder": {setup: func(t *testing.T, dir string) {
			check(t, os.Rename(dir+"/in", dir+"/other"), os.Symlink("other", dir+"/in"))
		}, code: 125, says: "/in: a symbolic link"},
		"a folder": {setup: func(t *testing.T, dir string) {
			check(t, os.Remove(dir+"/in/prog"), os.Mkdir(dir+"/in/prog", 0o755))
		}, code: 125, says: "/in/prog: not a regular file", plain: 126},
		"a pipe": {setup: func(t *testing.T, dir string) {
			check(t, os.Remove(dir+"/in/prog"), syscall.Mkfifo(dir+"/in/prog", 0o755))
		}, code: 125, says: "/in/prog: not a regular file", plain: 126},
		"file for a folder": {setup: func(t *testing.T, dir string) {
			check(t, os.RemoveAll(dir+"/in"), os.WriteFile(dir+"/in", nil, 0o755))
		}, code: 125, says: "/in: not a folder", plain: 127},
	} {
		t.Run(name, func(t *testing.T) {
			for _, fileCaps := range []string{bindCap, ""} {
				dir := kerneltest.PublicDir(t, "")
				check(t, os.Mkdir(dir+"/in", 0o755))
				write(t, dir+"/in/prog", []byte(ownTarget), "")
				program, err := launch.Stamp(kerneltest.Launchers(t)[runtime.GOARCH], launch.Config{Caps: launch.Caps{Prefer: bind}, Target: dir + "/in/prog", Owner: c.owner})
				check(t, err)
				launcher := write(t, dir+"/launcher", program, fileCaps)
				if c.setup != nil {
					c.setup(t, dir)
				}
				code, out, complaint := asUser(t, exec.Command(launcher))
				want, says, ambient := c.code, c.says, "0000000000000400"
				if fileCaps == "" {
					want, ambient = c.plain, "0000000000000000"
					if want == 0 {
						says = ""
					}
				}
				wantOut := "own " + dir + "/in/prog " + ambient + "\n"
				if want != 0 {
					wantOut = ""
				}
				if code != want || out != wantOut || fileCaps != "" && !strings.Contains(complaint, says) || strings.Count(complaint, "\n") > 1 {
					t.Errorf("launcher %q: exit code %d, stdout %q, stderr %q; want %d, %q and %q", fileCaps, code, out, complaint, want, wantOut, says)
				}
			}
		})
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestCallerHasNoSay starts a launcher with all that a caller can give it.
func TestCallerHasNoSay(t *testing.T) {
	need.Root(t)
	dir, mine := kerneltest.PublicDir(t, ""), kerneltest.PublicDir(t, "")
	target := write(t, filepath.Join(dir, "prog"), []byte(ownTarget), "")
	launcher := install(t, launch.Config{Caps: launch.Caps{Require: bind}, Target: target}, bindCap)
	for _, name := range []string{"prog", "launcher", "sh", "sed", "bash"} {
		write(t, filepath.Join(mine, name), []byte("#!/bin/sh\necho stolen\n"), "")
	}
	for name, args := range map[string][]string{
		"another name":   {"/bin/sh", "-c", "echo stolen"},
		"a path":         {mine + "/prog"},
		"no arguments":   nil,
		"an empty name":  {""},
		"flags":          {"launcher", "--target=" + mine + "/prog", "--", mine + "/prog"},
		"a relative one": {"./prog"},
	} {
		cmd := &exec.Cmd{Path: launcher, Args: args, Dir: mine}
		// PATH is the target's, a script that finds its own programs by it.
		cmd.Env = []string{"PATH=/usr/bin:/bin", "_=" + mine + "/prog", "PWD=" + mine, "LD_PRELOAD=" + mine + "/prog", "GODEBUG=execerrdot=0"}
		if args == nil {
			cmd.Args = []string{}
		}
		code, out, complaint := asUser(t, cmd)
		if code != 0 || !strings.HasPrefix(out, "own "+target) || !strings.HasSuffix(out, " 0000000000000400\n") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, out, complaint)
		}
	}
}

// TestBadConfig holds that a launcher with another Config than one that Stamp
// wrote starts nothing, in one line.
func TestBadConfig(t *testing.T) {
	need.Root(t)
	dir := kerneltest.PublicDir(t, "")
	target := write(t, filepath.Join(dir, "prog"), []byte(ownTarget), "")
	empty := kerneltest.Launchers(t)[runtime.GOARCH]
	stamped, err := launch.Stamp(empty, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target})
	check(t, err)
	at := bytes.Index(stamped, []byte(target))
	change := func(offset int, text string) []byte {
		program := bytes.Clone(stamped)
		copy(program[at+offset:], text)
		return program
	}
	for name, c := range map[string]struct {
		program []byte
		says    string
	}{
		"never stamped":   {empty, "not made for any program yet"},
		"another target":  {change(0, "/bin/sh\x00"), "damaged"},
		"another set":     {change(-24-8*2, "\xff"), "damaged"},
		"another owner":   {change(-44, "\x01"), "damaged"},
		"another version": {change(-48, "\x02"), "damaged"},
		"checksum":        {change(-8, "\x00\x00"), "damaged"},
		"no marker":       {change(-64, "\x00"), "not the configuration"},
		"padding":         {change(len(target)+1, "x"), "damaged"},
	} {
		launcher := write(t, filepath.Join(dir, "launcher"), c.program, bindCap)
		code, out, complaint := asUser(t, exec.Command(launcher))
		if code != launch.ExitFailed || out != "" || !strings.Contains(complaint, c.says) || strings.Count(complaint, "\n") != 1 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %q", name, code, out, complaint, c.says)
		}
		check(t, os.Remove(launcher))
	}
}

// TestGivingUp holds that a launcher which only takes away asks nothing of its
// target.
func TestGivingUp(t *testing.T) {
	need.Root(t)
	target := write(t, filepath.Join(kerneltest.PublicDir(t, ""), "prog"), []byte(ownTarget), "")
	check(t, os.Chmod(target, 0o777))
	launcher := install(t, launch.Config{Caps: launch.Caps{Never: bind}, Target: target}, "")
	cmd := exec.Command("setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", "--inh-caps=-all,+net_bind_service,+kill", "--ambient-caps=-all,+net_bind_service,+kill", launcher)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "own "+target+" 0000000000000020\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRequired holds that a launcher starts nothing without what it requires.
func TestRequired(t *testing.T) {
	need.Root(t)
	target := write(t, filepath.Join(kerneltest.PublicDir(t, ""), "prog"), []byte(ownTarget), "")
	launcher := install(t, launch.Config{Caps: launch.Caps{Require: bind}, Target: target}, "")
	code, out, complaint := asUser(t, exec.Command(launcher))
	if code != launch.ExitFailed || out != "" || !strings.Contains(complaint, "required and not permitted here: cap_net_bind_service") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, complaint)
	}
}

// TestRefused holds that a launcher which a filter keeps from making capabilities
// ambient, or from giving them up, starts nothing.
func TestRefused(t *testing.T) {
	need.Root(t)
	for _, c := range []struct {
		number uintptr
		answer syscall.Errno // 0 where the call only seems to work
	}{{syscall.SYS_CAPSET, syscall.EPERM}, {syscall.SYS_PRCTL, syscall.EPERM}, {syscall.SYS_CAPGET, syscall.EPERM}, {syscall.SYS_CAPSET, 0}} {
		for name, caps := range map[string]launch.Caps{"prefer": {Prefer: bind}, "never": {Never: bind}} {
			child := kerneltest.Child{Root: true}
			var launcher string
			child.Through = func(t testing.TB, path string) []string {
				target := write(t, filepath.Dir(path)+"/prog", []byte(ownTarget), "")
				launcher = install(t, launch.Config{Caps: caps, Target: target}, "")
				return []string{path, launcher}
			}
			var got string
			child.Run(t, "refused", &got, strconv.Itoa(int(c.number)), strconv.Itoa(int(c.answer)))
			if !strings.HasPrefix(got, "125 capwise-launcher: ") || strings.Contains(got, "own") || strings.Count(got, "\n") != 1 {
				t.Errorf("call %d, answer %d, %s: %q", c.number, c.answer, name, got)
			}
		}
	}
}

// refused runs a launcher under a filter that answers a system call.
func refused(args []string) any {
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err.Error()
	}
	answer, err := strconv.Atoi(args[2])
	if err != nil {
		return err.Error()
	}
	if err := kerneltest.Refuse(uintptr(number), syscall.Errno(answer)); err != nil {
		return err.Error()
	}
	cmd := exec.Command(args[0])
	out, _ := cmd.CombinedOutput() // the exit code is looked at below
	return strconv.Itoa(cmd.ProcessState.ExitCode()) + " " + string(out)
}
