package launch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestGained starts a launcher for a target that anyone may write to. It must
// refuse it where its own file gives it anything (ids, too), or it gives something
// itself; elsewhere any user could start the target, and so it does.
func TestGained(t *testing.T) {
	need.Root(t)
	setpriv := need.Tool(t, "setpriv")
	user := []string{setpriv, "--reuid=65532", "--regid=65532", "--clear-groups"}
	ambient := slices.Concat(user, []string{"--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service"})
	owned := func(bits os.FileMode) func(string) {
		return func(launcher string) {
			check(t, os.Chown(launcher, 1234, 1234), os.Chmod(launcher, 0o755|bits))
		}
	}
	for name, c := range map[string]struct {
		caller   []string
		caps     launch.Caps
		fileCaps string
		setup    func(launcher string)
		refuses  bool
	}{
		"a user":                     {caller: user},
		"a user with ambient ones":   {caller: ambient},
		"root":                       {},
		"file capabilities":          {caller: user, fileCaps: bindCap, refuses: true},
		"root that is like any user": {caller: []string{setpriv, "--securebits=+noroot"}, fileCaps: bindCap, refuses: true},
		"root that gives":            {caps: launch.Caps{Prefer: bind}, refuses: true},
		"set-user-id to root":        {caller: user, setup: func(l string) { check(t, os.Chmod(l, 0o755|os.ModeSetuid)) }, refuses: true},
		"set-user-id to a user":      {caller: user, setup: owned(os.ModeSetuid), refuses: true},
		"set-group-id":               {caller: user, setup: owned(os.ModeSetgid), refuses: true},
	} {
		t.Run(name, func(t *testing.T) {
			target := write(t, filepath.Join(kerneltest.PublicDir(t, ""), "prog"), []byte(ownTarget), "")
			check(t, os.Chmod(target, 0o777))
			launcher := install(t, launch.Config{Caps: c.caps, Target: target}, c.fileCaps)
			if c.setup != nil {
				c.setup(launcher)
			}
			argv := append(slices.Clone(c.caller), launcher)
			cmd := exec.Command(argv[0], argv[1:]...)
			out, _ := cmd.CombinedOutput() // the exit code is looked at
			code, says := 0, "own "+target
			if c.refuses {
				code, says = launch.ExitFailed, "others than its owner may write"
			}
			if cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), says) {
				t.Errorf("%v: %s; want %d, %q", cmd.ProcessState, out, code, says)
			}
		})
	}
}

// TestCheck holds what Check and CheckFolder say of files and folders, and that
// they leave no descriptor open.
func TestCheck(t *testing.T) {
	need.Root(t)
	dir := kerneltest.PublicDir(t, "")
	open := filepath.Join(dir, "open")
	check(t, os.Mkdir(open, 0o755), os.Chmod(open, 0o777), os.WriteFile(dir+"/prog", nil, 0o755))
	c := launch.Config{}
	before := descriptors(t)
	for name, tc := range map[string]struct {
		err  error
		want string // "" where it may be given capabilities
	}{
		"file":               {c.Check(dir + "/prog"), ""},
		"folder as file":     {c.Check(dir), dir + ": not a regular file"},
		"root as file":       {c.Check(""), "/: not a regular file"},
		"missing":            {c.Check(dir + "/none"), dir + "/none: no such file"},
		"folder":             {c.CheckFolder(dir), ""},
		"folder with slash":  {c.CheckFolder(dir + "/"), ""},
		"root":               {c.CheckFolder("/"), ""},
		"file as folder":     {c.CheckFolder(dir + "/prog"), dir + "/prog: not a folder"},
		"folder of others":   {c.CheckFolder(open), open + ": others than its owner may write"},
		"below one of those": {c.Check(open + "/prog"), open + ": others than its owner may write"},
	} {
		if tc.want == "" && tc.err != nil || tc.want != "" && (tc.err == nil || !strings.HasPrefix(tc.err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", name, tc.err, tc.want)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}
