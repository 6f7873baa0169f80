package kernelcheck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/test/kernel/agent"
)

// file is one executable file as it lies on the disk: all of its ids are those
// of the initial user namespace.
type file struct {
	caps           filecap.Caps // Revision 0: none
	uid, gid       uint32
	setUID, setGID bool
	noGroupExec    bool // which makes a set-group-id bit mean nothing
	unreadable     bool
}

// program is a file and the way to it.
type program struct {
	file   file
	nosuid bool
	script bool // started as the interpreter of a script
}

// seen is what the law has to know about the program in the room.
func (p program) seen(r room) law.File {
	f := p.file
	uid, uidOK := r.namespace.inside(f.uid)
	gid, gidOK := r.namespace.inside(f.gid)
	return law.File{
		Caps:    f.caps,
		Foreign: f.caps.Revision != 0 && !r.owns(f.caps.RootID),
		SetUID:  f.setUID, SetGID: f.setGID && !f.noGroupExec,
		UID: uid, GID: gid, Unmapped: !uidOK || !gidOK,
		Nosuid: p.nosuid, Unreadable: f.unreadable,
	}
}

func (p program) String() string {
	f := p.file
	s := "file"
	if f.caps.Revision != 0 {
		s += fmt.Sprintf(" v%d %q e=%t", f.caps.Revision, f.caps, f.caps.Effective)
	}
	for _, flag := range []struct {
		on   bool
		says string
	}{
		{f.setUID, "set-user-id"},
		{f.setGID, "set-group-id"},
		{f.noGroupExec, "no group execution"},
		{f.unreadable, "unreadable"},
		{p.nosuid, "on nosuid"},
		{p.script, "through a script"},
	} {
		if flag.on {
			s += ", " + flag.says
		}
	}
	return s + fmt.Sprintf(", owner %d:%d outside", f.uid, f.gid)
}

// shelf is where the files lie: tmpfs/a, and the same files on a mount with
// nosuid, tmpfs/b. It exists in the mount namespace of one thread only, and so
// leaves nothing behind however the checker ends.
type shelf struct {
	dir    string
	target []byte
	names  map[file]string
}

// newShelf mounts a shelf over the directory, in a mount namespace of its own.
// The calling goroutine must be locked to its thread, for good.
func newShelf(dir string) (*shelf, error) {
	target, err := agent.Program("target")
	if err != nil {
		return nil, err
	}
	elf, err := agent.Program("agent")
	if err != nil {
		return nil, err
	}
	s := &shelf{dir: dir, target: target, names: map[file]string{}}
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare the mount namespace (needs root): %w", err)
	}
	a, b := s.path("a"), s.path("b")
	err = errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("capwise", dir, "tmpfs", 0, "mode=0755"),
		os.Mkdir(a, 0o755), os.Mkdir(b, 0o755),
		syscall.Mount(a, b, "", syscall.MS_BIND, ""),
		syscall.Mount("", b, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_NOSUID, ""),
		s.write("agent", elf, 0o755),
	)
	if err != nil {
		return nil, fmt.Errorf("mount the files of the cases on %s: %w", dir, err)
	}
	return s, nil
}

func (s *shelf) path(name string) string { return filepath.Join(s.dir, name) }

// put makes the file of the program, if that was not done yet, and returns the
// path to execute, from the shelf's directory.
func (s *shelf) put(p program) (string, error) {
	name, ok := s.names[p.file]
	if !ok {
		name = strconv.Itoa(len(s.names))
		if err := s.make(name, p.file); err != nil {
			return "", fmt.Errorf("make %v: %w", p, err)
		}
		s.names[p.file] = name
	}
	// A script lies on the other mount than its interpreter: only the latter's
	// counts.
	switch {
	case p.script && p.nosuid:
		return "a/t" + name, nil
	case p.script:
		return "b/s" + name, nil
	case p.nosuid:
		return "b/" + name, nil
	default:
		return "a/" + name, nil
	}
}

// make makes the file and the two scripts that it is the interpreter of. The
// scripts carry bits and capabilities of their own, which do not count.
func (s *shelf) make(name string, f file) error {
	mode := uint32(0o755)
	if f.noGroupExec {
		mode &^= 0o010
	}
	if f.unreadable {
		mode &^= 0o444
	}
	if f.setUID {
		mode |= syscall.S_ISUID
	}
	if f.setGID {
		mode |= syscall.S_ISGID
	}
	decoy := filecap.Caps{Revision: filecap.V2, Permitted: universe, Effective: true}
	return errors.Join(
		s.write("a/"+name, s.target, mode),
		s.finish("a/"+name, f.uid, f.gid, mode, f.caps),
		s.write("a/s"+name, []byte("#!a/"+name+"\n"), 0o755),
		s.finish("a/s"+name, root, guest, 0o6755, decoy),
		s.write("a/t"+name, []byte("#!b/"+name+"\n"), 0o755),
		s.finish("a/t"+name, root, guest, 0o6755, decoy),
	)
}

func (s *shelf) write(name string, content []byte, mode uint32) error {
	return os.WriteFile(s.path(name), content, os.FileMode(mode&0o777))
}

// finish gives the file owner, mode and capabilities, in this order: each takes
// away what comes after it.
func (s *shelf) finish(name string, uid, gid, mode uint32, caps filecap.Caps) error {
	path := s.path(name)
	if err := os.Chown(path, int(uid), int(gid)); err != nil {
		return err
	}
	if err := syscall.Chmod(path, mode); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	if caps.Revision == 0 {
		return nil
	}
	return filecap.Set(path, caps)
}
