package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

// registered runs in a user namespace, which has registrations of its own: it
// registers an interpreter with flags, sets the capabilities of interpreter and
// program, and prints what explain says and then what the kernel gives.
const registered = `set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 77
echo ":capwise:M::CAPWISE-TEST::$DIR/interpreter:$FLAGS" >/proc/sys/fs/binfmt_misc/register
[ -z "$INTERPRETER" ] || setcap "$INTERPRETER" "$DIR/interpreter"
[ -z "$PROGRAM" ] || setcap "$PROGRAM" "$DIR/program"
user='setpriv --reuid 65532 --regid 65532 --clear-groups'
$user "$CAPWISE" explain --format json --listen :80 -- "$DIR/program" || :
echo '---'
$user "$DIR/program" 2>/dev/null
`

// program is for an interpreter that is a shell: what it prints is its own.
const miscProgram = `CAPWISE-TEST
while read name value; do [ "$name" != CapEff: ] || echo "$value"; done </proc/self/status
`

// TestBinfmtMisc compares explain with the kernel: whose capabilities count.
func TestBinfmtMisc(t *testing.T) {
	need.Root(t)
	need.Tool(t, "setcap")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const ep = "cap_net_bind_service=ep"
	for _, tc := range []struct {
		flags, interpreter, program string
		effective                   bool
	}{
		{"", "", ep, false},
		{"", ep, "", true},
		{"O", "", ep, false},
		{"F", ep, "", true},
		{"C", "", ep, true},
		{"OC", ep, "", false},
	} {
		dir := kerneltest.PublicDir(t, "")
		copyProgram(t, self, filepath.Join(dir, "capwise"))
		copyProgram(t, "/bin/sh", filepath.Join(dir, "interpreter"))
		if err := os.WriteFile(filepath.Join(dir, "program"), []byte(miscProgram), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", registered)
		cmd.Env = append(os.Environ(), "DIR="+dir, "CAPWISE="+dir+"/capwise", "FLAGS="+tc.flags, "INTERPRETER="+tc.interpreter, "PROGRAM="+tc.program)
		ids := []syscall.SysProcIDMap{{Size: 1 << 16}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() == 77 {
			t.Skip("needs Linux 6.7, where user namespaces have registrations of their own")
		}
		said, kernel, _ := strings.Cut(string(out), "---\n")
		if err != nil {
			t.Fatalf("%+v: %v\n%s%s", tc, err, &stderr, out)
		}
		var answer struct {
			Starts []struct {
				Credentials struct{ Effective any }
				Notes       []string
			}
		}
		if err := json.Unmarshal([]byte(said), &answer); err != nil || len(answer.Starts) != 1 {
			t.Fatalf("%+v: %v\n%s", tc, err, out)
		}
		if has := strings.TrimSpace(kernel) == "0000000000000400"; has != tc.effective {
			t.Errorf("%+v: the kernel says %q", tc, kernel)
		}
		text, _ := json.Marshal(answer.Starts[0]) // decoded just now
		if has := strings.Contains(string(text), `"cap_net_bind_service"`); has != tc.effective || !strings.Contains(string(text), "binfmt_misc (capwise") {
			t.Errorf("%+v: explain says %s", tc, text)
		}
	}
}
