package law_test

import (
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// TestRun follows programs through the starts before the one that matters,
// which is where capabilities get lost.
func TestRun(t *testing.T) {
	shell, server := law.Execute{Name: "sh"}, law.Execute{Name: "server", File: file("cap_net_bind_service=p")}
	dumb := law.Execute{Name: "server", File: file("cap_net_bind_service=ep")}
	tini := law.Execute{Name: "tini"}
	// What containerd starts: a user who is permitted what was added.
	container := user(func(t *law.Task) { t.Bounding, t.Permitted, t.NoNewPrivs = bind, bind, true })
	sudo := law.Execute{Name: "sudo", File: law.File{SetUID: true}}
	launcher := law.Execute{Name: "capwise", File: file("cap_net_bind_service=p")}
	plain := law.Execute{Name: "server"}
	for _, c := range []struct {
		name      string
		start     law.Task
		steps     []law.Step
		errno     law.Errno
		after     int // outcomes
		permitted capset.Set
		effective capset.Set
	}{
		{"server first, no_new_privs", container, []law.Step{server}, law.OK, 1, bind, 0},
		{"shell, tini, server, no_new_privs", container, []law.Step{shell, tini, server}, law.OK, 3, 0, 0},
		{"shell, tini, server", user(func(t *law.Task) { t.Bounding = bind }), []law.Step{shell, tini, server}, law.OK, 3, bind, 0},
		{"no_new_privs on the way", user(nil), []law.Step{shell, law.SetNoNewPrivs{}, server}, law.OK, 3, 0, 0},
		{"dropped, dumb: nothing after it", user(func(t *law.Task) { t.Bounding = 0 }), []law.Step{shell, dumb, tini}, law.EPERM, 2, 0, 0},
		{"sudo to a user", user(nil), []law.Step{sudo, law.ChangeUIDs{Real: 5, Effective: 5, Saved: 5}, plain}, law.OK, 3, 0, 0},
		{"sudo to root", user(func(t *law.Task) { t.Bounding = bind }), []law.Step{sudo, law.ChangeUIDs{}, plain}, law.OK, 3, bind, bind},
		{"launcher", user(nil), []law.Step{launcher, law.MakeAmbient{Set: bind}, plain}, law.OK, 3, bind, bind},
		{"launcher, then a shell", user(nil), []law.Step{launcher, law.MakeAmbient{Set: bind}, shell, plain}, law.OK, 4, bind, bind},
		{"launcher under no_new_privs", user(func(t *law.Task) { t.NoNewPrivs = true }), []law.Step{launcher, law.MakeAmbient{Set: bind}, plain}, law.OK, 3, 0, 0},
		{"launcher of a file with capabilities", user(nil), []law.Step{launcher, law.MakeAmbient{Set: bind}, law.Execute{File: file("cap_net_raw=p")}}, law.OK, 3, raw, 0},
		{"nothing to do", container, nil, law.OK, 0, 0, 0},
	} {
		outcomes := law.Run(law.Kernel{}, c.start, c.steps...)
		if len(outcomes) != c.after {
			t.Errorf("%s: %d outcomes, want %d", c.name, len(outcomes), c.after)
			continue
		}
		if c.after == 0 {
			continue
		}
		last := outcomes[len(outcomes)-1]
		if last.Errno != c.errno || last.Task.Permitted != c.permitted || last.Task.Effective != c.effective {
			t.Errorf("%s: %v, P=%v E=%v, want %v, %v and %v", c.name, last.Errno, last.Task.Permitted, last.Task.Effective, c.errno, c.permitted, c.effective)
		}
	}
}
