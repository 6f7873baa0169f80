package launch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/launch"
)

// TestArchitectures runs each launcher, for another architecture by QEMU's
// emulation of a process, and compares the target with one started bare: the
// launcher reads the Go runtime's variables and the kernel's structures, which
// are not laid out alike everywhere.
func TestArchitectures(t *testing.T) {
	need.Root(t)
	emulators := map[string]string{"amd64": "qemu-x86_64", "arm64": "qemu-aarch64", "arm": "qemu-arm", "riscv64": "qemu-riscv64", "s390x": "qemu-s390x", "ppc64le": "qemu-ppc64le"}
	dir := kerneltest.PublicDir(t, "")
	target := filepath.Join(dir, "cat")
	copyProgram(t, "/bin/cat", target)
	caller := []string{"env", "--ignore-signal=PIPE,QUIT,CHLD,TERM", "--block-signal=USR1,CHLD", "prlimit", "--nofile=100:200"}
	bare := signalsAndMore(t, append(slices.Clone(caller), target))
	for arch, program := range kerneltest.Launchers(t) {
		t.Run(arch, func(t *testing.T) {
			stamped, err := launch.Stamp(program, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target})
			check(t, err)
			launcher := write(t, filepath.Join(dir, arch), stamped, "")
			emulator := need.Tool(t, emulators[arch])
			if got := signalsAndMore(t, append(slices.Clone(caller), emulator, launcher)); got != bare {
				t.Errorf("bare:\n%s\nbehind the launcher:\n%s", bare, got)
			}
		})
	}
}

// signalsAndMore returns what a cat that is started so says about itself, the
// environment sorted, since QEMU hands it on in another order.
func signalsAndMore(t *testing.T, argv []string) string {
	t.Helper()
	cmd := exec.Command(argv[0], append(argv[1:], "/proc/self/environ", "/proc/self/status", "/proc/self/limits")...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all", "B=", "A=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	i := strings.LastIndexByte(string(out), 0)
	env := strings.Split(string(out[:max(i, 0)]), "\x00")
	slices.Sort(env)
	lines := regexp.MustCompile(`(?m)^(Sig[PBIC]|Shd|Max open|Umask).*`).FindAllString(string(out[i+1:]), -1)
	return strings.Join(append(env, lines...), "\n")
}
