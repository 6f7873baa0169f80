package refusal

import (
	"syscall"
	"testing"

	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/kerneltest"
)

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{"explain": explainRole})
}

// explained is the same refusal in the words of both.
type explained struct{ Got, Want string }

// explainRole explains a refused bind, under a filter if asked for one.
func explainRole(args []string) any {
	if len(args) > 0 {
		if err := kerneltest.Refuse(syscall.SYS_REBOOT, syscall.EPERM); err != nil {
			return explained{Got: err.Error()}
		}
	}
	return explained{Explain(80), diagnose.Explain(diagnose.Self(), 80).String()}
}

// TestCollect holds that the facts are those that package diagnose finds: the
// words differ where one differs that decides.
func TestCollect(t *testing.T) {
	const bind = "cap_net_bind_service=p"
	said := map[string]bool{}
	for _, c := range []kerneltest.Child{
		{},
		{PortStart: 81},
		{PortStart: 80},
		{FileCaps: bind},
		{FileCaps: bind, EmptyBounding: true},
		{FileCaps: "cap_net_raw=p"},
		{FileCaps: "cap_net_raw,cap_chown=p"},
		{FileCaps: "cap_net_bind_service=ep", NoNewPrivs: true},
		{FileCaps: "cap_net_bind_service=ep", NoNewPrivs: true, Env: []string{"container=podman"}},
		{FileCaps: "cap_net_raw=ep", NoNewPrivs: true, Env: []string{"KUBERNETES_SERVICE_HOST=192.0.2.1"}},
		{FileCaps: bind, NoNewPrivs: true},
		{FileCaps: bind, NoNewPrivs: true, Shell: true},
		{FileCaps: bind, NoNewPrivs: true, Shell: true, Env: []string{"container=podman"}},
		{FileCaps: bind, Nosuid: true},
		{FileCaps: bind, RootID: 100000},
		{FileCaps: bind, RootID: 100000, NewUser: true},
		{FileCaps: bind, NewUser: true},
		{NewUser: true, Env: []string{"INVOCATION_ID=1"}},
		{Root: true},
		{Root: true, EmptyBounding: true},
		{Root: true, NoNewPrivs: true},
		{Ambient: []uintptr{10}},
		{Ambient: []uintptr{10}, NoNewPrivs: true},
	} {
		if c.PortStart == 0 {
			c.PortStart = 1024
		}
		for _, args := range [][]string{nil, {"filter"}} {
			var e explained
			c.Run(t, "explain", &e, args...)
			if e.Got != e.Want || e.Got == "" {
				t.Errorf("%+v %q:\ngot  %q\nwant %q", c, args, e.Got, e.Want)
			}
			said[e.Got] = true
		}
	}
	if len(said) < 12 {
		t.Errorf("only %d answers: the cases do not tell the facts apart", len(said))
	}
}
