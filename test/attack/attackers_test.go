package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/kerneltest"
)

// attacker does something again and again, in his home beside sys. Errors do not
// matter to him.
type attacker struct {
	name string
	says string // what he swaps
	// prepare is done once before each run of fix, by the attacker.
	prepare func(home string)
	again   func(home string)
	target  string // what root fixes, from the scene's folder
	asRoot  bool   // he may mount, as with a set-user-ID helper
}

// attackers are S1 a to f of the findings that led to this, and more.
var attackers = []attacker{
	{name: "old launcher's target", says: "z.capwise is a link to a program of root's", target: "home/user", again: func(h string) {
		_ = os.Remove(h + "/z.capwise")
		_ = os.Symlink(sys(h, "ping"), h+"/z.capwise")
	}},
	{name: "temporary name", says: "the temporary file becomes a link to a program of root's", target: "home/user/z", again: func(h string) {
		for _, tmp := range temporary(h) {
			_ = os.Remove(tmp)
			_ = os.Symlink(sys(h, "plain"), tmp)
		}
	}},
	{name: "file and link", says: "z is exchanged with a link to root's cap_setuid file", target: "home/user/z", prepare: func(h string) {
		_ = os.Symlink(sys(h, "z"), h+"/zlink")
	}, again: func(h string) { exchange(h+"/z", h+"/zlink") }},
	{name: "parent folder", says: "the folder of z is exchanged with a link to sys", target: "home/user/dir/z", prepare: func(h string) {
		_ = os.Symlink(filepath.Dir(sys(h, "z")), h+"/dirlink")
	}, again: func(h string) { exchange(h+"/dir", h+"/dirlink") }},
	{name: "tree, own attribute", says: "an attribute of a user namespace makes the walk find z, then file and link", target: "home", prepare: func(h string) {
		_ = os.Symlink(sys(h, "z"), h+"/zlink")
		_ = exec.Command("unshare", "-Ur", "setcap", "cap_net_raw=p", h+"/evil").Run()
	}, again: func(h string) { exchange(h+"/z", h+"/zlink"); exchange(h+"/evil", h+"/zlink") }},
	{name: "tree, parent folder", says: "while the tree is walked, folders are exchanged with links to sys", target: "home", prepare: func(h string) {
		_ = os.Symlink(filepath.Dir(sys(h, "z")), h+"/dirlink")
	}, again: func(h string) { exchange(h+"/dir", h+"/dirlink") }},
	{name: "file and file", says: "z is exchanged with another program of his", target: "home/user/z", again: func(h string) { exchange(h+"/z", h+"/evil") }},
	{name: "temporary file", says: "the temporary file is exchanged with another program of his", target: "home/user/z", again: func(h string) {
		for _, tmp := range temporary(h) {
			exchange(tmp, h+"/evil")
		}
	}},
	{name: "target", says: "z.capwise comes and goes: a program, a folder, a link, a hard link", target: "home/user/z", again: func(h string) {
		t := h + "/z.capwise"
		for _, put := range []func() error{
			func() error { return os.Link(h+"/evil", t) }, func() error { return os.Mkdir(t, 0o755) },
			func() error { return os.Symlink(sys(h, "ping"), t) }, func() error { return os.Link(h+"/z", t) },
		} {
			_ = put()
			_ = os.Remove(t)
		}
	}},
	{name: "hard links", says: "z gets more names, and loses them", target: "home/user/z", again: func(h string) {
		_ = os.Link(h+"/z", h+"/z2")
		_ = os.Link(h+"/z2", h+"/.z.capwise-2")
		_ = os.Remove(h + "/z2")
		_ = os.Remove(h + "/.z.capwise-2")
	}},
	{name: "content", says: "z is written to, which takes its attribute away", target: "home/user/z", again: func(h string) {
		evil, err := os.ReadFile(h + "/evil")
		if err == nil {
			_ = os.WriteFile(h+"/z", evil, 0o755)
		}
	}},
	{name: "mode", says: "z gets set-id bits and rights for others, and loses them", target: "home/user/z", again: func(h string) {
		for _, mode := range []uint32{0o4755, 0o6777, 0o777, 0o700, 0o755} {
			_ = syscall.Chmod(h+"/z", mode)
		}
	}},
	{name: "other kinds", says: "z is exchanged with a FIFO, a folder and a socket", target: "home/user/z", prepare: func(h string) {
		_ = syscall.Mkfifo(h+"/fifo", 0o644)
	}, again: func(h string) { exchange(h+"/z", h+"/fifo"); exchange(h+"/z", h+"/dir") }},
	{name: "name of the system's", says: "z is a hard link to a program of root's, again and again; he may, as with fs.protected_hardlinks 0", target: "home/user/z", asRoot: true, again: func(h string) {
		_ = os.Remove(h + "/z")
		_ = os.Link(sys(h, "z"), h+"/z")
		_ = os.Link(sys(h, "z"), h+"/z.capwise")
		_ = os.Remove(h + "/z.capwise")
	}},
	{name: "mount over", says: "sys is mounted over the folder of z, and away", target: "home/user/dir/z", asRoot: true, again: func(h string) {
		_ = syscall.Mount(filepath.Dir(sys(h, "z")), h+"/dir", "", syscall.MS_BIND, "")
		_ = syscall.Unmount(h+"/dir", syscall.MNT_DETACH)
	}},
}

// sys is a file of the system, seen from the attacker's home.
func sys(home, name string) string { return filepath.Join(home, "../../sys", name) }

// temporary lists the temporary files of fix for z.
func temporary(home string) []string {
	names, _ := filepath.Glob(home + "/.z.capwise-*")
	return names
}

// exchange swaps two names at once, if both are there.
func exchange(a, b string) { _ = kerneltest.Exchange(a, b) }

// role is the environment variable by which a copy of the test becomes an attacker.
const role = "CAPWISE_ATTACKER"

// attackForever is what the copy does: it prepares what it has to, and ends; or it
// attacks until it is killed.
func attackForever() {
	what, rest, _ := strings.Cut(os.Getenv(role), "|")
	name, home, _ := strings.Cut(rest, "|")
	for _, a := range attackers {
		switch {
		case a.name != name:
		case what == "prepare":
			a.prepare(home)
			os.Exit(0)
		default:
			fmt.Println("ready")
			for {
				a.again(home)
			}
		}
	}
	os.Exit(1)
}
