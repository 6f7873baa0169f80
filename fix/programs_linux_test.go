package fix_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

// interpreters are programs that people give capabilities to. Each listens on port 80,
// asks itself for something, and says "served"; then it starts a child that says what
// it is permitted.
var interpreters = []struct {
	name, path string
	args       []string
	// secure says that it works in secure-execution mode, so that its children get
	// nothing.
	secure bool
}{
	{"python", "/usr/bin/python3", []string{"-c", `
import socket, subprocess
s = socket.create_server(("127.0.0.1", 80))
c = socket.create_connection(("127.0.0.1", 80)); c.send(b"served\n")
print(s.accept()[0].recv(100).decode(), flush=True)
subprocess.run(["grep", "CapPrm", "/proc/self/status"])`}, true},
	{"node", "/usr/bin/node", []string{"-e", `
const s = require("net").createServer(c => c.end("served\n")).listen(80, "127.0.0.1", () =>
  require("net").connect(80, "127.0.0.1").on("data", d => {
    console.log(d.toString());
    require("child_process").execFileSync("grep", ["CapPrm", "/proc/self/status"], {stdio: "inherit"});
    process.exit();
  }))`}, true},
	// The registry of RMI says nothing; that it serves shows when it is asked.
	{"java", "/usr/bin/java", []string{"-m", "java.rmi/sun.rmi.registry.RegistryImpl", "80"}, false},
}

// TestPrograms holds that real interpreters get a launcher by default and do their job
// behind it, java without secure-execution mode, since it finds its libraries by $ORIGIN.
func TestPrograms(t *testing.T) {
	need.Root(t)
	need.Tool(t, "ip")
	for _, p := range interpreters {
		t.Run(p.name, func(t *testing.T) {
			need.File(t, p.path, "its Debian package")
			path := interpreter(t, p.path)
			if err := setText(path, "cap_net_bind_service=ep"); err != nil {
				t.Fatal(err)
			}
			o := launcherOptions(t)
			o.Mode = fix.Auto
			c, err := apply(t, path, o)
			if err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(c.Placed.Notes, "; "); !strings.Contains(notes, "it is an interpreter") {
				t.Errorf("notes: %s", notes)
			}
			out, err := served(t, append([]string{path}, p.args...))
			if err != nil || !strings.Contains(out, "served") {
				t.Errorf("%v: %s", err, out)
			}
			if p.secure && !strings.Contains(out, "CapPrm:\t0000000000000000") {
				t.Errorf("its child says %s", out)
			}
		})
	}
}

// interpreter copies a program, with links to what lies around it.
func interpreter(t *testing.T, from string) string {
	t.Helper()
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		t.Fatal(err)
	}
	dir := kerneltest.PublicDir(t, "/usr/local")
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, beside := range []string{"lib", "conf"} {
		if err := os.Symlink(filepath.Join(filepath.Dir(from), "..", beside), filepath.Join(dir, beside)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(bin, filepath.Base(from))
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// served starts a program as a user in a network of its own, and waits until it has
// served something, or for as long as it may take.
func served(t *testing.T, argv []string) (string, error) {
	t.Helper()
	const script = `ip link set lo up
exec setpriv --reuid=65532 --regid=65532 --clear-groups --inh-caps=-all sh -c '
	"$0" "$@" & pid=$!
	for i in $(seq 100); do
		kill -0 $pid 2>/dev/null || break
		if [ "${0##*/}" = java ] && printf "JRMI\0\2K" | timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/80; cat >&3; head -c 1 <&3" 2>/dev/null | grep -q N; then
			echo served; kill $pid; break
		fi
		sleep 0.1
	done
	wait $pid' "$0" "$@"`
	cmd := exec.Command("unshare", append([]string{"--net", "sh", "-c", script}, argv...)...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "served") {
		err = nil // java was killed
	}
	return string(out), err
}
