package process

import (
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/scenario"
)

// TestSelf asks about the test itself, which listens.
func TestSelf(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	s, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	listens := fmt.Sprint(s.Listens)
	_, port, _ := strings.Cut(udp.LocalAddr().String(), "]:")
	for _, want := range []string{"tcp " + tcp.Addr().String(), "udp :" + port} {
		if !strings.Contains(listens, want) {
			t.Errorf("listens %s, without %s", listens, want)
		}
	}
	sets, err := cred.Current()
	if err != nil {
		t.Fatal(err)
	}
	if s.Running == nil || s.Running.Sets != sets || s.Settings.UID != uint32(os.Geteuid()) || s.Settings.Given.Bounding != sets.Bounding {
		t.Errorf("running %+v, settings %+v, want the sets %+v", s.Running, s.Settings, sets)
	}
	if exe, err := os.Executable(); err != nil || s.Program.Last().Path != exe || len(s.Program.Args) != len(os.Args) {
		t.Errorf("program %+v, want %s (%v)", s.Program, exe, err)
	}
	if s.Settings.PortStart == scenario.Unset {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestHost(t *testing.T) {
	t.Setenv("PATH", "/x:/y")
	s, err := Host([]string{"web", "-v"})
	if err != nil {
		t.Fatal(err)
	}
	sets, err := cred.Current()
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "web" || s.Running != nil || *s.Settings.Given != sets || s.Request.Path != "/x:/y" || !reflect.DeepEqual(s.Request.Args, []string{"-v"}) {
		t.Errorf("%+v", s)
	}
}

// start runs a program until the test ends, and describes it.
func start(t *testing.T, attr *syscall.SysProcAttr, argv ...string) scenario.Start {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = attr
	ready, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	open, err := cmd.StdinPipe() // for who waits for its end
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = open.Close()
		_ = cmd.Process.Kill() // it has no other end
		_ = cmd.Wait()
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const wait = `echo; exec sleep 60`

// TestNamespaces asks about processes in other namespaces than the test's, which
// itself stays where it is.
func TestNamespaces(t *testing.T) {
	need.Root(t)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != own {
			t.Errorf("the test is in %s now, %v, and was in %s", now, err, own)
		}
	}()
	mapped := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 1000}}
	user := func(flags uintptr) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | flags, UidMappings: mapped, GidMappings: mapped,
			Credential: &syscall.Credential{Uid: 33, Gid: 34, NoSetGroups: true},
		}
	}
	foreign := start(t, user(0), "sh", "-c", wait)
	if s := foreign.Settings; !s.UserNamespace || s.Network != scenario.NetworkHost || s.UID != 33 || s.GID != 34 || foreign.Running.UID.Real != 33 {
		t.Errorf("in a user namespace, on the network outside: %+v", foreign)
	}
	private := start(t, user(syscall.CLONE_NEWNET), "sh", "-c", wait)
	if s := private.Settings; !s.UserNamespace || s.Network != scenario.NetworkPrivate || s.PortStart != 1024 {
		t.Errorf("in a user namespace, with a network: %+v", private)
	}
	network := start(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, "sh", "-c",
		"echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start; "+wait)
	if s := network.Settings; s.UserNamespace || s.Network != scenario.NetworkPrivate || s.PortStart != 80 {
		t.Errorf("with a network: %+v", network)
	}
	plain := start(t, nil, "setpriv", "--reuid=65532", "--regid=65532", "--groups=5", "--no-new-privs", "--bounding-set=-all,+net_bind_service", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", "sh", "-c", wait)
	if s := plain.Settings; s.UserNamespace || s.Network != scenario.NetworkHost || !s.NoNewPrivs || s.UID != 65532 || len(s.Groups) != 1 ||
		s.Given.Permitted != s.Given.Ambient || s.Given.Ambient.Len() != 1 || plain.Syntax != scenario.Host || plain.Running.Effective != s.Given.Ambient {
		t.Errorf("plain: %+v", plain)
	}
}

// TestFile asks about a process whose file carries capabilities.
func TestFile(t *testing.T) {
	need.Root(t)
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/sh"
	if err := os.WriteFile(file, text, 0o755); err != nil {
		t.Fatal(err)
	}
	caps, err := filecap.FromText("cap_net_bind_service=p")
	if err != nil {
		t.Fatal(err)
	}
	if err := filecap.Set(file, caps); err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, file, "-c", `echo; read x`)
	if last := s.Program.Last(); last.Path != file || last.File.Caps.Permitted != caps.Permitted || last.File.Foreign || last.File.Nosuid {
		t.Errorf("program %+v", s.Program)
	}
}

func TestNoProcess(t *testing.T) {
	if s, err := Of(math.MaxInt32); !os.IsNotExist(err) {
		t.Errorf("%+v, %v", s, err)
	}
}
