package refusal

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/sys"
)

func TestMain(m *testing.M) {
	kerneltest.Main(m, map[string]func([]string) any{"explain": explainRole})
}

// explained is the same refusal in the words of both.
type explained struct{ Got, Want string }

// explainRole explains a refused bind, under a filter if asked for one.
func explainRole(args []string) any {
	runtime.LockOSThread()
	var err error
	switch strings.Join(args, "") {
	case "filter":
		err = kerneltest.Refuse(syscall.SYS_REBOOT, syscall.EPERM)
	case "noroot":
		err = sys.SetSecurebits(uint32(cred.NoRoot))
	}
	if err != nil {
		return explained{Got: err.Error()}
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
		{FileCaps: "cap_net_bind_service=ep", Nosuid: true},
		{FileCaps: "cap_net_bind_service=ep", RootID: 100000},
		{FileCaps: "cap_net_raw=ep", RootID: 100000},
		{FileCaps: "cap_net_bind_service=ep", NoNewPrivs: true, Shell: true},
		{FileCaps: "cap_net_raw=ep", NoNewPrivs: true},
		{FileCaps: "cap_net_raw=p", NoNewPrivs: true},
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
		ways := [][]string{nil, {"filter"}}
		if c.Root && !c.EmptyBounding { // which has what it takes
			ways = append(ways, []string{"noroot"})
		}
		for _, args := range ways {
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
