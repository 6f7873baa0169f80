package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/environ"
	"github.com/capwise/capwise/internal/execfile"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Of describes the process with the id. The error says that there is none, or
// that /proc does not show it; what else cannot be had becomes a note.
func Of(pid int) (scenario.Start, error) {
	r := reader{dir: "/proc/" + strconv.Itoa(pid), pid: pid}
	if err := r.credentials(); err != nil {
		return scenario.Start{}, err
	}
	r.program()
	r.file()
	r.environment()
	r.network()
	r.sockets()
	return r.start, nil
}

// reader is a process on its way in.
type reader struct {
	dir   string
	pid   int
	start scenario.Start
	uids  idMap
}

func (r *reader) path(name string) string { return filepath.Join(r.dir, name) }

// text reads a file of the process; "" where it cannot be read.
func (r *reader) text(name string) string {
	text, _ := os.ReadFile(r.path(name)) // where it matters, the caller notes it
	return string(text)
}

// credentials reads what the process holds, in ids of its own namespace.
func (r *reader) credentials() error {
	c, err := cred.OfProcess(r.pid)
	if err != nil {
		return err
	}
	if r.uids, err = parseIDMap(r.text("uid_map")); err != nil {
		return fmt.Errorf("%s: %w", r.path("uid_map"), err)
	}
	gids, err := parseIDMap(r.text("gid_map"))
	if err != nil {
		return fmt.Errorf("%s: %w", r.path("gid_map"), err)
	}
	running := law.Task{Sets: c.Sets, UID: r.uids.all(c.UID), GID: gids.all(c.GID), NoNewPrivs: c.NoNewPrivs}
	for _, g := range c.Groups {
		running.Groups = append(running.Groups, gids.into(g))
	}
	if r.pid == sys.Getpid() {
		bits, err := sys.Securebits()
		if err != nil {
			return err
		}
		running.Securebits = cred.Securebits(bits)
	} else if running.UID.Effective == 0 && c.Bounding&^c.Permitted != 0 {
		r.start.Note("securebits of another process cannot be read; assuming none")
	}
	r.start.Running = &running
	r.start.Settings = scenario.Settings{
		UID: running.UID.Effective, GID: running.GID.Effective, Groups: running.Groups,
		Given:      &cred.Sets{Bounding: c.Bounding, Inheritable: c.Inheritable, Permitted: c.Ambient, Effective: c.Ambient, Ambient: c.Ambient},
		Securebits: running.Securebits, NoNewPrivs: c.NoNewPrivs, PortStart: scenario.Unset,
	}
	if c.Seccomp != 0 {
		r.start.Note("its seccomp filter is not judged: it may refuse what the kernel's own rules allow")
	}
	return nil
}

// all maps four ids.
func (m idMap) all(ids cred.IDs) cred.IDs {
	return cred.IDs{
		Real: m.into(ids.Real), Effective: m.into(ids.Effective), Saved: m.into(ids.Saved), FileSystem: m.into(ids.FileSystem),
	}
}

// program is what the process executes.
func (r *reader) program() {
	args := strings.Split(strings.TrimSuffix(r.text("cmdline"), "\x00"), "\x00")
	exe, err := os.Readlink(r.path("exe"))
	if err != nil {
		r.start.Note(fmt.Sprintf("cannot determine which file it executes: %v", err))
		exe = args[0]
	}
	exe = strings.TrimSuffix(exe, " (deleted)")
	r.start.Name = fmt.Sprintf("%s (process %d)", filepath.Base(exe), r.pid)
	r.start.Program = scenario.Program{Args: args, Chain: []scenario.Step{{Path: exe}}}
	r.start.Request.Entrypoint, r.start.Request.Args = args[:1:1], args[1:]
}

// file is what the executed file carries.
func (r *reader) file() {
	file, err := execfile.Read(r.path("exe"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.start.Note("cannot read the capabilities of its file; assuming none")
	case err != nil:
		r.start.Note(fmt.Sprintf("the capabilities of its file: %v", err))
	}
	if root, ok := r.uids.root(); ok && file.Caps.RootID == root {
		file.Foreign = false // in the namespace of the process they count
	}
	r.start.Program.Chain[0].File = file
}

// environment is where the process runs.
func (r *reader) environment() {
	variables := strings.Split(r.text("environ"), "\x00")
	signs := environ.Signs{
		Getenv: func(name string) string {
			for _, v := range variables {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value
				}
			}
			return ""
		},
		Exists: func(path string) bool {
			_, err := os.Lstat(r.path("root" + path))
			return err == nil
		},
		Cgroup:    r.text("cgroup"),
		Mountinfo: r.text("mountinfo"),
	}
	r.start.Syntax, r.start.Settings.Runtime = signs.Environment().Start()
}

// sockets lists what the process listens on.
func (r *reader) sockets() {
	mine := r.socketInodes()
	for _, table := range []struct{ file, network string }{{"tcp", "tcp"}, {"tcp6", "tcp"}, {"udp", "udp"}, {"udp6", "udp"}} {
		sockets, err := parseSockets(r.text("net/"+table.file), table.network)
		if err != nil {
			r.start.Note(err.Error())
		}
		for _, s := range sockets {
			if slices.Contains(mine, s.inode) {
				r.start.AddListen(scenario.Listen{
					Network: s.network, Address: s.String(), Port: int(s.address.Port()),
					From: fmt.Sprintf("a socket of process %d", r.pid),
				})
			}
		}
	}
}

// socketInodes returns the inodes of the sockets that the process has open.
func (r *reader) socketInodes() []string {
	entries, err := os.ReadDir(r.path("fd"))
	if err != nil {
		r.start.Note(fmt.Sprintf("cannot determine what it listens on: %v", err))
	}
	var inodes []string
	for _, e := range entries {
		target, err := os.Readlink(r.path("fd/" + e.Name()))
		if err != nil {
			continue // closed since
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}
