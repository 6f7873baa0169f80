package launch_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
	"github.com/capwise/capwise/law"
)

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{
		"credentials": func([]string) any {
			c, err := cred.OfProcess(os.Getpid())
			if err != nil {
				return err.Error()
			}
			return c
		},
		"refused": refused,
		"exec": func(args []string) any {
			var caps launch.Caps
			if err := caps.Add("net_bind_service"); err != nil {
				return err.Error()
			}
			return launch.Exec(args[0], args, caps).Error()
		},
	})
}

// through is the ways on which a program comes to the launcher.
var through = map[string][]string{
	"directly":     nil,
	"by sh":        {"/bin/sh", "-c", `exec "$0" "$@"`},
	"by tini":      {"tini", "--"},
	"by dumb-init": {"dumb-init", "--"},
	"by tini, sh":  {"tini", "--", "/bin/sh", "-c", `"$0" "$@"; exit $?`},
}

// TestLaw predicts by the law what a program is permitted behind a launcher, and
// holds the kernel to it.
func TestLaw(t *testing.T) {
	need.Root(t)
	need.Tool(t, "tini")
	need.Tool(t, "dumb-init")
	caller, err := cred.Current()
	if err != nil {
		t.Fatal(err)
	}
	for name, chain := range through {
		for _, fileCaps := range []string{bindCap, "cap_net_bind_service,cap_net_raw=p", ""} {
			for _, target := range []string{"", "cap_net_bind_service=ei"} {
				for bits := range 16 {
					child := kerneltest.Child{
						FileCaps: target, Root: bits&1 != 0, EmptyBounding: bits&2 != 0, NoNewPrivs: bits&4 != 0, PortStart: 1024,
					}
					by := launch.Means(bits >> 3)
					t.Run(fmt.Sprintf("%s, launcher %q, target %q, means %d, root %t, bounding empty %t, nnp %t", name, fileCaps, target, by,
						child.Root, child.EmptyBounding, child.NoNewPrivs), func(t *testing.T) {
						want := predict(t, child, caller, chain, fileCaps, by)
						child.Through = func(t testing.TB, path string) []string {
							launcher := install(t, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: path, By: by}, fileCaps)
							return append(append([]string{}, chain...), launcher)
						}
						var got cred.Credentials
						child.Run(t, "credentials", &got)
						if got.Sets != want {
							t.Errorf("the kernel says %+v, the law %+v", got.Sets, want)
						}
					})
				}
			}
		}
	}
}

// predict runs the law through the chain.
func predict(t *testing.T, child kerneltest.Child, caller cred.Sets, chain []string, fileCaps string, by launch.Means) cred.Sets {
	t.Helper()
	task := law.User(kerneltest.UID, kerneltest.UID, caller.Bounding)
	if child.Root {
		task = law.User(0, 0, caller.Bounding)
		task.Permitted, task.Effective, task.Inheritable = caller.Permitted, caller.Effective, caller.Inheritable
	}
	if child.EmptyBounding {
		task.Bounding = 0
	}
	task.NoNewPrivs = child.NoNewPrivs
	exec := func(f law.File) law.Outcome {
		o := law.Exec(law.Kernel{}, task, f)
		if o.Errno != law.OK {
			t.Fatal("the law says that a program does not start")
		}
		task = o.Task
		return o
	}
	for range chain { // more than there are programs, which changes nothing
		exec(law.File{})
	}
	protected := exec(fileOf(t, fileCaps)).Dumpable != 1
	if by == launch.Ambient {
		task = task.MakeAmbient(bind)
	} else {
		give := bind & task.Permitted & (task.Inheritable | task.Bounding)
		task.Inheritable |= give
		if protected && !task.NoNewPrivs {
			task.Permitted &^= give
		}
		task.Effective &= task.Permitted
		task.Ambient &= task.Permitted
	}
	exec(fileOf(t, child.FileCaps))
	return task.Sets
}

func fileOf(t *testing.T, text string) law.File {
	t.Helper()
	if text == "" {
		return law.File{}
	}
	caps, err := filecap.FromText(text)
	if err != nil {
		t.Fatal(err)
	}
	return law.File{Caps: caps}
}

// TestNeeds holds what require, prefer and never lead to.
func TestNeeds(t *testing.T) {
	need.Root(t)
	both := "cap_net_bind_service,cap_net_raw=p"
	raw := capset.Of(capset.NetRaw)
	for name, c := range map[string]struct {
		child   kerneltest.Child
		caps    launch.Caps
		ambient capset.Set
	}{
		"named only":             {kerneltest.Child{}, launch.Caps{Prefer: bind}, bind},
		"both":                   {kerneltest.Child{}, launch.Caps{Prefer: bind, Require: raw}, bind | raw},
		"one is not permitted":   {kerneltest.Child{}, launch.Caps{Prefer: bind | capset.Of(capset.Kill)}, bind},
		"what was ambient stays": {kerneltest.Child{EmptyBounding: true}, launch.Caps{}, 0},
		"never":                  {kerneltest.Child{}, launch.Caps{Prefer: bind, Never: raw}, bind},
	} {
		t.Run(name, func(t *testing.T) {
			c.child.Through = func(t testing.TB, path string) []string {
				return []string{install(t, launch.Config{Caps: c.caps, Target: path}, both)}
			}
			var got cred.Credentials
			c.child.Run(t, "credentials", &got)
			if got.Ambient != c.ambient || got.Permitted != c.ambient || got.Effective != c.ambient || got.Inheritable != c.ambient {
				t.Errorf("got %+v, want %s", got.Sets, c.ambient)
			}
		})
	}
	t.Run("ambient before, file without capabilities", func(t *testing.T) {
		child := kerneltest.Child{Ambient: []uintptr{uintptr(capset.NetRaw), uintptr(capset.Kill)}}
		child.Through = func(t testing.TB, path string) []string {
			return []string{install(t, launch.Config{Caps: launch.Caps{Prefer: bind, Never: capset.Of(capset.Kill)}, Target: path}, "")}
		}
		var got cred.Credentials
		child.Run(t, "credentials", &got)
		if got.Ambient != raw || got.Permitted != raw {
			t.Errorf("got %+v, want %s", got.Sets, raw)
		}
	})
}

// TestExecRefuses holds that a program which has capabilities from its own file
// starts nothing with them.
func TestExecRefuses(t *testing.T) {
	need.Root(t)
	var said string
	kerneltest.Child{FileCaps: bindCap}.Run(t, "exec", &said, "/bin/true")
	if !strings.Contains(said, "carries file capabilities") {
		t.Errorf("with file capabilities: %q", said)
	}
	kerneltest.Child{FileCaps: bindCap, EmptyBounding: true}.Run(t, "exec", &said, "/nothing")
	if !strings.Contains(said, "no such file or directory") {
		t.Errorf("with none permitted: %q", said)
	}
}
