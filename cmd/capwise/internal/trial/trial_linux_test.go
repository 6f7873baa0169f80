package trial_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cmd/capwise/internal/trial"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/law"
)

func TestMain(m *testing.M) {
	trial.Main()
	os.Exit(m.Run())
}

const bind = capset.Set(1 << capset.NetBindService)

// TestRun tries starts whose outcome is known, and holds that nothing is left.
func TestRun(t *testing.T) {
	need.Root(t)
	permitted, err := filecap.Caps{Permitted: bind, Revision: filecap.V2}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	effective, err := filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	user := func(bounding capset.Set) law.Task { return law.User(65532, 65532, bounding) }
	nnp := user(bind)
	nnp.NoNewPrivs = true
	ambient := user(bind)
	ambient.Sets = cred.Sets{Bounding: bind, Permitted: bind, Inheritable: bind, Effective: bind, Ambient: bind}
	for name, tc := range map[string]struct {
		spec   trial.Spec
		failed int
		errno  string
		binds  string
	}{
		"nothing":         {trial.Spec{Task: user(0), Chain: []trial.File{{}}}, -1, "", "EACCES  EACCES"},
		"permitted":       {trial.Spec{Task: user(bind), Chain: []trial.File{{Caps: permitted}}, Aware: true}, -1, "", "  "},
		"not raised":      {trial.Spec{Task: user(bind), Chain: []trial.File{{Caps: permitted}}}, -1, "", "EACCES  EACCES"},
		"dumb":            {trial.Spec{Task: user(0), Chain: []trial.File{{Caps: effective}}}, 0, "EPERM", ""},
		"dumb, granted":   {trial.Spec{Task: user(bind), Chain: []trial.File{{Caps: effective}}}, -1, "", "  "},
		"second is dumb":  {trial.Spec{Task: user(0), Chain: []trial.File{{}, {Caps: effective}}}, 1, "EPERM", ""},
		"no new privs":    {trial.Spec{Task: nnp, Chain: []trial.File{{Caps: permitted}}, Aware: true}, -1, "", "EACCES  EACCES"},
		"nosuid":          {trial.Spec{Task: user(bind), Chain: []trial.File{{Caps: effective}}, Nosuid: true, Aware: true}, -1, "", "EACCES  EACCES"},
		"ambient":         {trial.Spec{Task: ambient, Chain: []trial.File{{}, {}}}, -1, "", "  "},
		"foreign network": {trial.Spec{Task: ambient, Chain: []trial.File{{}}, ForeignNetwork: true, Aware: true}, -1, "", "EACCES  EACCES"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.spec.PortStart = 1024
			tc.spec.Listens = []trial.Listen{{Network: "tcp", Address: ":80"}, {Network: "tcp", Address: ":8080"}, {Network: "udp", Address: ":53"}}
			r, err := trial.Run(tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed != tc.failed || r.Errno != tc.errno || strings.Join(r.Binds, " ") != tc.binds {
				t.Errorf("got %+v", r)
			}
		})
	}
	if left, _ := filepath.Glob("/tmp/program*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
