package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capwise/capwise/internal/need"
)

// TestMain becomes an attacker where it is one; else it gives the tests a mount
// namespace of their own, for the attacker who mounts.
func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		attackForever()
	}
	const inside = "CAPWISE_ATTACK_INSIDE"
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
}

// variants is how root runs fix: by default, where it refuses what is not safe, and
// with what he can say to have it done all the same.
var variants = [][]string{
	{"--mode", "auto"},
	{"--mode", "auto", "--trust-tree"},
	{"--mode", "auto", "--trust-tree", "--owner-may-have-it"},
	{"--mode", "launcher"},
	{"--mode", "launcher", "--trust-tree", "--owner-may-have-it"},
	{"--mode", "launcher", "--trust-tree", "--chown", "root"},
	{"--mode", "permitted"},
	{"--mode", "permitted", "--trust-tree"},
	{"--mode", "strip"},
	{"--mode", "strip", "--trust-tree"},
}

// row is what became of an attack.
type row struct {
	attack          attacker
	plain, widened  int
	changed, gained int
}

// setting reads a number from the environment; "all" is a large one.
func setting(name string, otherwise int) int {
	switch text := os.Getenv(name); text {
	case "":
		return otherwise
	case "all":
		return 1 << 30
	default:
		n, err := strconv.Atoi(text)
		if err != nil {
			panic(name + ": " + err.Error())
		}
		return n
	}
}

// TestAttacks runs every attack against every variant.
func TestAttacks(t *testing.T) {
	need.Root(t)
	need.Tool(t, "strace")
	need.File(t, os.Getenv("CAPWISE"), "CAPWISE names the program; scripts/capwise.sh builds it")
	var rows []row
	for _, a := range attackers {
		t.Run(a.name, func(t *testing.T) {
			rows = append(rows, attack(t, a))
		})
		keep(t, table(rows)) // it may take an hour
	}
	t.Log("\n" + table(rows))
}

func attack(t *testing.T, a attacker) row {
	s := newScene(t)
	w := &war{scene: s, attacker: a, row: row{attack: a}}
	w.start()
	defer w.stop()
	for i := range setting("CAPWISE_ATTACK_RUNS", 2*len(variants)) {
		w.run(variants[i%len(variants)], nil)
		w.row.plain++
	}
	most := setting("CAPWISE_ATTACK_WINDOWS", 2)
	for i, v := range variants {
		all := w.windows(v)
		for j := range min(most, len(all)) { // another share for each variant
			w.run(v, all[(j*len(variants)+i)%len(all)].inject())
			w.row.widened++
		}
	}
	return w.row
}

// war is an attack under way.
type war struct {
	*scene
	attacker attacker
	process  *exec.Cmd
	row      row
}

// start starts the attacker, and stops him again at once.
func (w *war) start() {
	w.prepare()
	w.process = w.role("attack")
	out, err := w.process.StdoutPipe()
	w.must(err, w.process.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		w.t.Fatalf("the attacker says %q, %v", line, err)
	}
	w.pause()
}

// role is the attacker's program.
func (w *war) role(what string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"="+what+"|"+w.attacker.name+"|"+w.path("home/user"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if !w.attacker.asRoot {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: attackerID, Gid: attackerID}
	}
	return cmd
}

// prepare lets the attacker prepare his home.
func (w *war) prepare() {
	if w.attacker.prepare != nil {
		w.must(w.role("prepare").Run())
	}
}

// pause stops the attacker, and waits until he has stopped.
func (w *war) pause() {
	w.must(w.process.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(w.process.Process.Pid, &status, syscall.WUNTRACED, nil)
	w.must(err)
	if !status.Stopped() {
		w.t.Fatalf("the attacker has ended: %v", status)
	}
}

func (w *war) stop() {
	w.must(w.process.Process.Kill())
	_ = w.process.Wait() // he was killed
	w.unmount()
}

// unmount takes away what the attacker has mounted last.
func (w *war) unmount() {
	for syscall.Unmount(w.path("home/user/dir"), syscall.MNT_DETACH) == nil {
	}
}

// run has root fix the target while the attacker is at work, and looks at what has
// become of it. through comes before the command.
func (w *war) run(variant, through []string) {
	w.unmount()
	w.reset()
	w.prepare()
	w.must(w.process.Process.Signal(syscall.SIGCONT))
	out, err := w.fix(variant, through)
	w.pause()
	w.unmount()
	if err == nil && bytes.Contains(out, []byte(" -> ")) {
		w.row.changed++
	}
	if gains := w.gains(); len(gains) > 0 {
		w.row.gained++
		w.t.Errorf("%s, %q through %q: %s\nfix says %s", w.attacker.name, variant, through, strings.Join(gains, "; "), out)
		w.restore()
	}
}

func (w *war) fix(variant, through []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	argv := append(append(through, os.Getenv("CAPWISE"), "fix"), variant...)
	argv = append(argv, w.path(w.attacker.target))
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if ctx.Err() != nil {
		w.t.Errorf("%q hangs: %s", argv, out)
	}
	return out, err
}

// table is what became of the attacks.
func table(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %8s %8s %9s %6s\n", "ATTACK", "RUNS", "WIDENED", "CHANGED", "GAINS")
	for _, r := range rows {
		fmt.Fprintf(&b, "%-24s %8d %8d %9d %6d\n", r.attack.name, r.plain, r.widened, r.changed, r.gained)
	}
	return b.String()
}

// keep writes the table to the file that CAPWISE_ATTACK_RESULTS names.
func keep(t *testing.T, table string) {
	if file := os.Getenv("CAPWISE_ATTACK_RESULTS"); file != "" {
		if err := os.WriteFile(file, []byte(table), 0o644); err != nil {
			t.Error(err)
		}
	}
}
