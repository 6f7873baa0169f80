package cred_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/need"
)

const status = `Name:	caddy
Umask:	0022
State:	S (sleeping)
Tgid:	7
Pid:	7
Uid:	65532	65532	65532	65532
Gid:	65532	65532	1	65532
Groups:	27 100 
CapInh:	0000000000000000
CapPrm:	0000000000000400
CapEff:	0000000000000000
CapBnd:	000001fffeffffff
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
`

func TestParseStatus(t *testing.T) {
	c, err := cred.ParseStatus(strings.NewReader(status))
	if err != nil {
		t.Fatal(err)
	}
	if c.Permitted != capset.Of(capset.NetBindService) || c.Effective != 0 || !c.Bounding.Has(capset.BPF) || c.Bounding.Has(capset.SysResource) {
		t.Errorf("sets are %+v", c.Sets)
	}
	if c.UID.Saved != 65532 || c.GID.Saved != 1 || len(c.Groups) != 2 || c.Groups[1] != 100 || !c.NoNewPrivs || c.Seccomp != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestParseStatusRefuses(t *testing.T) {
	for says, text := range map[string]string{
		`no line "Uid"`:  "Name:\tx\n",
		`line "CapPrm"`:  strings.Replace(status, "0000000000000400", "zz", 1),
		`line "Uid"`:     strings.Replace(status, "Uid:\t65532\t", "Uid:\t", 1),
		`line "Groups"`:  strings.Replace(status, "27 100", "-27", 1),
		`no line "CapB`:  strings.Replace(status, "CapBnd", "CapXxx", 1),
		`line "Seccomp"`: strings.Replace(status, "Seccomp:\t2", "Seccomp:\tno", 1),
	} {
		if c, err := cred.ParseStatus(strings.NewReader(text)); !errors.Is(err, cred.ErrStatus) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %+v, %v; want an error with %s", c, err, says)
		}
	}
}

func TestCurrentIsWhatProcSays(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got, err := cred.Current()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("needs Linux")
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := cred.OfProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got != want.Sets {
		t.Errorf("Current() = %+v, /proc says %+v", got, want.Sets)
	}
}

// TestOfProcess reads a process that capsh has given known sets.
func TestOfProcess(t *testing.T) {
	need.Root(t)
	capsh := need.Tool(t, "capsh")
	cmd := exec.Command(capsh, "--drop=cap_sys_admin", "--no-new-privs", "--", "-c", "echo ready; read x")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close() // which ends it
		_ = cmd.Wait()
	}()
	if _, err := stdout.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	c, err := cred.OfProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if c.Bounding.Has(capset.SysAdmin) || c.Permitted.Has(capset.SysAdmin) || !c.Permitted.Has(capset.NetRaw) || !c.NoNewPrivs {
		t.Errorf("got %+v", c)
	}
	if _, err := cred.OfProcess(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such process: %v", err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add(status)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := cred.ParseStatus(strings.NewReader(text)); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}
