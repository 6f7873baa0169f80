package law_test

import (
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// step is one thing that a task does on its way to the program that matters.
type step func(law.Task) law.Outcome

// execute is execve(2) of a file.
func execute(f law.File) step {
	return func(t law.Task) law.Outcome { return law.Exec(law.Kernel{}, t, f) }
}

// setUIDs is what sudo does before it executes the program.
func setUIDs(uid uint32) step {
	return func(t law.Task) law.Outcome {
		after, rules := t.SetUIDs(uid, uid, uid)
		return law.Outcome{Task: after, Rules: rules}
	}
}

// makeAmbient is what a launcher does before it executes its target.
func makeAmbient(t law.Task) law.Outcome { return law.Outcome{Task: t.MakeAmbient(bind)} }

func noNewPrivs(t law.Task) law.Outcome {
	t.NoNewPrivs = true
	return law.Outcome{Task: t}
}

// TestChain follows programs through the starts before the one that matters,
// which is where capabilities get lost.
func TestChain(t *testing.T) {
	shell, server := execute(law.File{}), execute(file("cap_net_bind_service=p"))
	dumb := execute(file("cap_net_bind_service=ep"))
	tini := execute(law.File{})
	// What containerd starts: a user who is permitted what was added.
	container := user(func(t *law.Task) { t.Bounding, t.Permitted, t.NoNewPrivs = bind, bind, true })
	sudo := execute(law.File{SetUID: true})
	launcher := execute(file("cap_net_bind_service=p"))
	plain := execute(law.File{})
	for _, c := range []struct {
		name      string
		start     law.Task
		steps     []step
		errno     law.Errno
		done      int // steps, with one that fails
		permitted capset.Set
		effective capset.Set
	}{
		{"server first, no_new_privs", container, []step{server}, law.OK, 1, bind, 0},
		{"shell, tini, server, no_new_privs", container, []step{shell, tini, server}, law.OK, 3, 0, 0},
		{"shell, tini, server", user(func(t *law.Task) { t.Bounding = bind }), []step{shell, tini, server}, law.OK, 3, bind, 0},
		{"no_new_privs on the way", user(nil), []step{shell, noNewPrivs, server}, law.OK, 3, 0, 0},
		{"dropped, dumb: nothing after it", user(func(t *law.Task) { t.Bounding = 0 }), []step{shell, dumb, tini}, law.EPERM, 2, 0, 0},
		{"sudo to a user", user(nil), []step{sudo, setUIDs(5), plain}, law.OK, 3, 0, 0},
		{"sudo to root", user(func(t *law.Task) { t.Bounding = bind }), []step{sudo, setUIDs(0), plain}, law.OK, 3, bind, bind},
		{"launcher", user(nil), []step{launcher, makeAmbient, plain}, law.OK, 3, bind, bind},
		{"launcher, then a shell", user(nil), []step{launcher, makeAmbient, shell, plain}, law.OK, 4, bind, bind},
		{"launcher under no_new_privs", user(func(t *law.Task) { t.NoNewPrivs = true }), []step{launcher, makeAmbient, plain}, law.OK, 3, 0, 0},
		{"launcher of a file with capabilities", user(nil), []step{launcher, makeAmbient, execute(file("cap_net_raw=p"))}, law.OK, 3, raw, 0},
	} {
		last, done := law.Outcome{Task: c.start}, 0
		for _, do := range c.steps {
			last, done = do(last.Task), done+1
			if last.Errno != law.OK {
				break
			}
		}
		if done != c.done || last.Errno != c.errno || last.Task.Permitted != c.permitted || last.Task.Effective != c.effective {
			t.Errorf("%s: %v after %d, P=%v E=%v, want %v after %d, %v and %v", c.name, last.Errno, done, last.Task.Permitted, last.Task.Effective, c.errno, c.done, c.permitted, c.effective)
		}
	}
}
