package diagnose_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// sandboxed is a unit of an ordinary user whose capability is ambient, with a file
// without capabilities, or one that permits it and raises it.
func sandboxed(raises bool, box scenario.Sandbox) *scenario.Start {
	const low = capset.Set(1 << capset.NetBindService)
	s := &scenario.Start{Name: "web.service", Syntax: scenario.Unit, Where: scenario.Where{File: "web.service"}}
	s.Settings = scenario.Settings{
		Runtime: scenario.Runtime{Name: scenario.Systemd, Version: "252"}, UID: 101, GID: 101, Granted: capset.All, Ambient: low,
		Network: scenario.NetworkHost, PortStart: scenario.Unset, Sandbox: box,
	}
	s.Program = scenario.Program{Args: []string{"/opt/web"}, Chain: []scenario.Step{{Path: "/opt/web"}}, Awareness: scenario.Dumb}
	if raises {
		s.Program.Awareness = scenario.Aware
		s.Program.Chain[0].File.Caps = filecap.Caps{Permitted: low, Revision: filecap.V2}
	}
	s.Listens = []scenario.Listen{{Network: "tcp", Address: ":80", Port: 80}}
	return s
}

func TestSandbox(t *testing.T) {
	calls := func(name string, answer scenario.Filtered) scenario.Sandbox {
		return scenario.Sandbox{Calls: map[string]scenario.Filtered{name: answer}}
	}
	for _, c := range []struct {
		says   string
		raises bool
		box    scenario.Sandbox
		exec   diagnose.Cause
		bind   diagnose.Cause
		errno  law.Errno
		remedy string // one that has to be among those offered; "" where none is
	}{
		{says: "nothing is refused", raises: true},
		{says: "capset kills who raises", raises: true, box: calls("capset", scenario.Killed), bind: diagnose.CallFiltered, errno: law.SIGSYS, remedy: "SystemCallFilter=capset"},
		{says: "capset fails", raises: true, box: calls("capset", "EPERM"), bind: diagnose.CallFiltered, errno: law.EACCES, remedy: "SystemCallFilter=capset"},
		{says: "what is ambient raises nothing", box: calls("capset", scenario.Killed)},
		{says: "socket", box: calls("socket", "EPERM"), bind: diagnose.CallFiltered, errno: law.EPERM, remedy: "SystemCallFilter=socket"},
		{says: "bind with another errno", box: calls("bind", "ENOSYS"), bind: diagnose.CallFiltered, errno: law.OtherErrno, remedy: "SystemCallFilter=bind"},
		{says: "execve", box: calls("execve", scenario.Killed), exec: diagnose.CallFiltered, errno: law.SIGSYS, remedy: "SystemCallFilter=execve"},
		{says: "no family", box: scenario.Sandbox{NoIPv4: true, NoIPv6: true}, bind: diagnose.FamilyRefused, errno: law.EAFNOSUPPORT, remedy: "RestrictAddressFamilies=AF_INET AF_INET6"},
		{says: "one family will do", box: scenario.Sandbox{NoIPv4: true}},
		{says: "no exec", box: scenario.Sandbox{NoExec: []string{"/opt"}}, exec: diagnose.NoExecPath, errno: law.EACCES, remedy: "NoExecPaths="},
		{says: "hidden", box: scenario.Sandbox{Hidden: []scenario.HiddenFolder{{By: "ProtectHome=", Folder: "/opt"}}}, exec: diagnose.HiddenPath, errno: law.OtherErrno},
		{says: "mounts fail", box: scenario.Sandbox{Missing: "a path is not there"}, exec: diagnose.HiddenPath, errno: law.OtherErrno},
		{says: "the port", box: scenario.Sandbox{Ports: []scenario.PortRule{{First: 1, Last: 1023}}}, bind: diagnose.PortRefused, errno: law.EPERM},
	} {
		s := sandboxed(c.raises, c.box)
		j := diagnose.Judge(law.Kernel{}, s)
		answer := j.Exec
		if c.exec == "" && j.Exec.OK() {
			answer = j.Binds[0]
		}
		if want := c.exec + c.bind; answer.Cause != want || answer.Errno != c.errno {
			t.Errorf("%s: %s %s (%s), want %s %s", c.says, answer.Errno, answer.Cause, answer.Reason, c.errno, want)
		}
		var offered []string
		for _, r := range diagnose.Remedies(law.Kernel{}, s, &j, nil) {
			offered = append(offered, r.How)
		}
		if c.remedy != "" && !strings.Contains(strings.Join(offered, "\n"), "web.service: [Service] "+c.remedy) {
			t.Errorf("%s: remedies %q, want %s", c.says, offered, c.remedy)
		}
	}
}
