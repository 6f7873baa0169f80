package kernelcheck

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/law"
)

// mountCase is a tmpfs that a room makes for itself, and that one of the initial
// user namespace comes to.
type mountCase struct {
	name  string
	maker room // ends up with a tmpfs in the directory c
	owner namespace
}

var mountCases = []mountCase{
	{
		"of a child namespace",
		room{name: "child with a tmpfs", namespace: child, above: []namespace{initial}, prepare: []string{enter(child, initial), "tmpfs:c", bounding}},
		child,
	},
	{
		"of a child namespace, used by a grandchild",
		room{
			name: "grandchild with a tmpfs", namespace: grandchild, above: []namespace{initial, child},
			prepare: []string{enter(child, initial), "tmpfs:c", enter(grandchild, child), bounding},
		},
		child,
	},
}

// joined is the room of one who enters the mount namespace of a process.
func joined(pid int) room {
	return room{name: "joined", namespace: initial, prepare: []string{fmt.Sprintf("join:/proc/%d/ns/mnt", pid), bounding}}
}

// TestMounts executes files of file systems that another user namespace owns:
// for tasks outside of that they count as on nosuid.
func TestMounts(t *testing.T) {
	need.Root(t)
	need.File(t, "agent/src/agent", "test/kernel/kernelcheck.sh -")
	for _, c := range mountCases {
		t.Run(c.name, func(t *testing.T) {
			done := make(chan error)
			go func() {
				runtime.LockOSThread() // and ends with it: its mounts are its own
				done <- c.judge(t)
			}()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// mountFiles lists the files of each tmpfs; V2 counts for the root of the user
// namespace that owns it.
var mountFiles = []file{
	{caps: filecap.Caps{Revision: filecap.V2, Permitted: universe}},
	{caps: filecap.Caps{Revision: filecap.V2, Permitted: universe, Effective: true}},
	{setUID: true},
}

func (c mountCase) judge(t *testing.T) (err error) {
	s, err := newShelf("/tmp")
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.path("c"), 0o755); err != nil {
		return err
	}
	maker, err := s.enterRoom(c.maker)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, maker.leave()) }()
	pid := maker.cmd.Process.Pid
	if err := os.Symlink(fmt.Sprintf("/proc/%d/root%s", pid, s.path("c")), s.path("d")); err != nil {
		return err
	}
	for i, f := range mountFiles {
		if err := s.writeAs(c.owner.first, fmt.Sprintf("d/%d", i), f); err != nil {
			return err
		}
	}
	visitor, err := s.enterRoom(joined(pid))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, visitor.leave()) }()
	for i, f := range mountFiles {
		inside := law.File{Caps: f.caps, SetUID: f.setUID, Unmapped: c.maker.namespace != c.owner}
		outside := inside
		outside.Nosuid = true
		err = errors.Join(err,
			executeAll(t, maker, fmt.Sprintf("c/%d", i), inside),
			executeAll(t, visitor, fmt.Sprintf("c/%d", i), outside))
	}
	return err
}

// writeAs makes a file that belongs to the id, which may be the only one that
// the file system has a number for.
func (s *shelf) writeAs(id uint32, name string, f file) error {
	err := errors.Join(syscall.Setfsgid(int(id)), syscall.Setfsuid(int(id)))
	err = errors.Join(err, s.write(name, s.target, 0o755), syscall.Setfsuid(0), syscall.Setfsgid(0))
	if err != nil {
		return err
	}
	mode := uint32(0o755)
	if f.setUID {
		mode |= syscall.S_ISUID
	}
	return s.finish(name, id, id, mode, f.caps)
}

// executeAll executes the file from each start, and compares with the law.
func executeAll(t *testing.T, p *process, path string, f law.File) error {
	starts := space{caps: []capset.Cap{first}, uids: [][4]uint32{{}, {user, user, user, user}}, noNewPrivs: both}
	compared := 0
	for n := range starts.size() {
		replies, err := p.ask(starts.at(n), []arg{execution{path: path}.arg()})
		if err != nil {
			return err
		}
		if replies[0].Status == compare {
			judge(t, path, f, 0, replies[0])
			compared++
		}
	}
	if compared == 0 {
		return fmt.Errorf("%s: no case was compared", path)
	}
	return nil
}
