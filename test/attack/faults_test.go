package attack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// install is a way in which root has a program changed, in a folder that is his alone.
type install struct {
	name    string
	variant []string
	// leave is what is there besides.
	leave func(s *scene) error
}

var installs = []install{
	{name: "launcher", variant: []string{"--mode", "launcher"}},
	{name: "a copy", variant: []string{"--mode", "launcher", "--chown", "root"}, leave: func(s *scene) error {
		return errors.Join(os.Chown(s.path("bin/z"), attackerID, attackerID), setcap(s.path("bin/z"), "cap_net_bind_service=ep"))
	}},
	{name: "its owner's", variant: []string{"--mode", "launcher", "--owner-may-have-it"}, leave: func(s *scene) error {
		return errors.Join(os.Chown(s.path("bin/z"), attackerID, attackerID), setcap(s.path("bin/z"), "cap_net_bind_service=ep"))
	}},
	{name: "over one left", variant: []string{"--mode", "launcher"}, leave: func(s *scene) error {
		return errors.Join(os.WriteFile(s.path("bin/z.capwise"), s.evil, 0o755), setcap(s.path("bin/z.capwise"), "cap_net_raw=ei"))
	}},
	{name: "from half", variant: []string{"--mode", "launcher"}, leave: func(s *scene) error {
		return os.Link(s.path("bin/z"), s.path("bin/z.capwise"))
	}},
}

// faults are what can happen at a system call, as strace has it.
var faults = []string{"signal=KILL", "error=EIO", "error=ENOSPC"}

// TestFaults has fix killed, and fail, at its system calls, one at a time: the
// program starts as before, or by its launcher; and a second run leaves these two,
// and nothing else.
func TestFaults(t *testing.T) {
	f := newFaulty(t)
	for _, in := range installs {
		all := f.callsOf(in)
		if len(all) < 20 {
			t.Fatalf("%s: %d system calls", in.name, len(all))
		}
		for i := range f.sample(len(all)) {
			for _, fault := range faults {
				f.fail(in, all[i], fault)
			}
		}
	}
}

// TestAtOnce has two runs of fix at work on one program, one of them held at each
// system call in turn: one of them does it.
func TestAtOnce(t *testing.T) {
	f := newFaulty(t)
	for _, in := range installs {
		all := f.callsOf(in)
		for i := range f.sample(len(all)) {
			f.atOnce(in, all[i])
		}
	}
}

// faulty is the scene of a fix that fails.
type faulty struct {
	*war
	turn int
}

func newFaulty(t *testing.T) *faulty {
	need.Root(t)
	need.Tool(t, "strace")
	need.File(t, os.Getenv("CAPWISE"), "CAPWISE names the program; scripts/capwise.sh builds it")
	return &faulty{war: &war{scene: newScene(t), attacker: attacker{target: "bin/z"}}}
}

// sample yields the numbers below n: all, or another share each time.
func (f *faulty) sample(n int) func(yield func(int) bool) {
	most := min(n, 4*setting("CAPWISE_ATTACK_WINDOWS", 2))
	f.turn++
	return func(yield func(int) bool) {
		for i := range most {
			if !yield((i*n/most + f.turn) % n) {
				return
			}
		}
	}
}

// put makes the folder anew.
func (f *faulty) put(in install) {
	f.t.Helper()
	f.must(os.RemoveAll(f.path("bin")), os.Mkdir(f.path("bin"), 0o755), os.WriteFile(f.path("bin/z"), f.good, 0o755),
		setcap(f.path("bin/z"), "cap_net_bind_service=ep"))
	if in.leave != nil {
		f.must(in.leave(f.scene))
	}
}

func (f *faulty) callsOf(in install) []window {
	f.put(in)
	return f.traced(in.variant)
}

// fail runs fix with a fault, looks, and runs it again.
func (f *faulty) fail(in install, at window, fault string) {
	f.t.Helper()
	f.put(in)
	said, err := f.fix(in.variant, []string{
		"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + at.call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", at.call, fault, at.nth),
	})
	what := fmt.Sprintf("%s, %s at %s %d (%v: %s)", in.name, fault, at.call, at.nth, err, bytes.TrimSpace(said))
	f.starts(what)
	if left := f.temporary(); len(left) > 0 && strings.HasPrefix(fault, "error") && at.call != "unlinkat" {
		f.t.Errorf("%s: left behind: %q", what, left)
	}
	if said, err = f.fix(in.variant, nil); err != nil {
		f.t.Errorf("%s: a second run says: %v: %s", what, err, said)
	}
	f.finished(what)
}

// atOnce runs fix twice, the first held at a system call.
func (f *faulty) atOnce(in install, at window) {
	f.t.Helper()
	f.put(in)
	argv := []string{
		"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + at.call, "-e", fmt.Sprintf("inject=%s:delay_enter=200000:when=%d", at.call, at.nth),
		os.Getenv("CAPWISE"), "fix",
	}
	var text bytes.Buffer
	first := exec.Command("strace", append(append(argv, in.variant...), f.path("bin/z"))...)
	first.Stdout, first.Stderr = &text, &text
	f.must(first.Start())
	said, err := f.fix(in.variant, nil)
	other := first.Wait()
	what := fmt.Sprintf("%s, held at %s %d (%v: %s, and %v: %s)", in.name, at.call, at.nth, other, bytes.TrimSpace(text.Bytes()), err, bytes.TrimSpace(said))
	f.starts(what)
	if err != nil && other != nil {
		if said, err := f.fix(in.variant, nil); err != nil {
			f.t.Errorf("%s: a third run says: %v: %s", what, err, said)
		}
	}
	f.finished(what)
}

// starts holds that what is at the name is the program as it was, or a launcher with
// the program behind it.
func (f *faulty) starts(what string) {
	f.t.Helper()
	content, err := os.ReadFile(f.path("bin/z"))
	f.must(err)
	caps := capsOf(f.path("bin/z"))
	if bytes.Equal(content, f.good) && caps == "cap_net_bind_service=ep" {
		return
	}
	config, err := launch.Find(content)
	if err != nil || config.Target != f.path("bin/z.capwise") || caps != "cap_net_bind_service=p" {
		f.t.Errorf("%s: at the name is something that carries %q, %v", what, caps, err)
	}
	content, err = os.ReadFile(config.Target)
	if is, _ := filecap.Get(config.Target); err != nil || !bytes.Equal(content, f.good) || (is.Permitted|is.Inheritable) != config.Prefer {
		f.t.Errorf("%s: the program behind the launcher carries %s, %v", what, is, err)
	}
}

// finished holds that launcher and program are all that there is.
func (f *faulty) finished(what string) {
	f.t.Helper()
	f.starts(what)
	entries, err := os.ReadDir(f.path("bin"))
	f.must(err)
	if got := capsOf(f.path("bin/z")) + "|" + capsOf(f.path("bin/z.capwise")); len(entries) != 2 || got != "cap_net_bind_service=p|cap_net_bind_service=ei" {
		f.t.Errorf("%s: in the end there is %v, with %s", what, entries, got)
	}
	for _, e := range entries {
		info, err := e.Info()
		f.must(err)
		if st := info.Sys().(*syscall.Stat_t); st.Nlink != 1 || info.Mode() != 0o755 {
			f.t.Errorf("%s: %s has %d names and mode %s", what, e.Name(), st.Nlink, info.Mode())
		}
	}
}

// temporary lists what is in the folder that is neither launcher nor program.
func (f *faulty) temporary() []string {
	entries, err := os.ReadDir(f.path("bin"))
	f.must(err)
	var out []string
	for _, e := range entries {
		if e.Name() != "z" && e.Name() != "z.capwise" {
			out = append(out, e.Name())
		}
	}
	return out
}
