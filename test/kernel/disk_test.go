package kernelcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/need"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/test/kernel/agent"
)

// words returns the bytes of an attribute.
func words(n ...uint32) []byte {
	var b []byte
	for _, w := range n {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// onDisk lists attributes that no setxattr(2) writes, and what the law has to
// be told about them.
var onDisk = []struct {
	name  string
	bytes []byte
	file  law.File
	errno syscall.Errno // where the law knows no better than EINVAL
}{
	{"v1p", words(1<<24, 1<<first, 0), law.File{Caps: filecap.Caps{Revision: filecap.V1, Permitted: capset.Of(first)}}, 0},
	{"v1ep", words(1<<24|1, 1<<first, 0), law.File{Caps: filecap.Caps{Revision: filecap.V1, Permitted: capset.Of(first), Effective: true}}, 0},
	{"v1ei", words(1<<24|1, 0, 1<<first), law.File{Caps: filecap.Caps{Revision: filecap.V1, Inheritable: capset.Of(first), Effective: true}}, 0},
	{"v2flags", words(2<<24|0xfffffe, 1<<first, 0, 0, 0), law.File{Caps: filecap.Caps{Revision: filecap.V2, Permitted: capset.Of(first)}}, 0},
	{"empty", nil, law.File{Malformed: true}, 0},
	{"threebytes", []byte{0, 0, 0}, law.File{Malformed: true}, 0},
	{"v0", words(0, 0, 0, 0, 0), law.File{Malformed: true}, 0},
	{"v4", words(4<<24, 0, 0, 0, 0), law.File{Malformed: true}, 0},
	{"v1long", words(1<<24, 0, 0, 0, 0), law.File{Malformed: true}, 0},
	{"v2short", words(2<<24, 0, 0, 0), law.File{Malformed: true}, 0},
	{"v2long", words(2<<24, 0, 0, 0, 0, 0), law.File{Malformed: true}, 0},
	{"v3short", words(3<<24, 0, 0, 0, 0), law.File{Malformed: true}, 0},
	{"toolong", words(3<<24, 0, 0, 0, 0, 0, 0), law.File{Malformed: true}, syscall.ERANGE},
}

// TestOnDisk executes files whose attribute was written past the kernel, into
// an image of a file system.
func TestOnDisk(t *testing.T) {
	need.Root(t)
	need.File(t, "agent/src/agent", "test/kernel/kernelcheck.sh -")
	need.File(t, "/dev/loop-control", "loop devices")
	image := makeImage(t, need.Tool(t, "mkfs.ext4"), need.Tool(t, "debugfs"))
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and ends with it: its mounts are its own
		done <- judgeImage(t, image)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// makeImage returns the path of an ext4 file system with one file for each
// attribute.
func makeImage(t *testing.T, mkfs, debugfs string) string {
	dir := t.TempDir()
	files, image, value := filepath.Join(dir, "files"), filepath.Join(dir, "image"), filepath.Join(dir, "value")
	target, err := agent.Program("target")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range onDisk {
		if err := os.WriteFile(filepath.Join(files, d.name), target, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command(t, mkfs, "-q", "-d", files, image, "4M")
	for _, d := range onDisk {
		if err := os.WriteFile(value, d.bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, debugfs, "-w", "-R", fmt.Sprintf("ea_set -f %s /%s security.capability", value, d.name), image)
	}
	return image
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// judgeImage mounts the image and executes its files.
func judgeImage(t *testing.T, image string) (err error) {
	// The shelf hides /tmp, so the image is held open.
	held, err := os.Open(image)
	if err != nil {
		return err
	}
	defer held.Close()
	s, err := newShelf("/tmp")
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.path("c"), 0o755); err != nil {
		return err
	}
	mount := exec.Command("mount", "-o", "ro,loop", "/proc/self/fd/3", s.path("c"))
	mount.ExtraFiles = []*os.File{held}
	if out, err := mount.CombinedOutput(); err != nil {
		return fmt.Errorf("mount the image (needs a loop device and ext4): %w\n%s", err, out)
	}
	p, err := s.enterRoom(inInitial)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.leave()) }()
	starts := space{caps: []capset.Cap{first}, uids: [][4]uint32{{}, {user, user, user, user}}}
	for n := range starts.size() {
		for _, d := range onDisk {
			replies, err := p.ask(starts.at(n), []arg{execution{path: "c/" + d.name}.arg()})
			if err != nil {
				return err
			}
			if r := replies[0]; r.Status == compare {
				judge(t, d.name, d.file, d.errno, r)
			}
		}
	}
	return nil
}

func judge(t *testing.T, name string, f law.File, errno syscall.Errno, r reply) {
	if syscall.Errno(r.Errno) == errno && errno != 0 {
		return
	}
	o := law.Exec(law.Kernel{}, r.Before.Creds.task(), f)
	got, _ := execution{}.observe(r)
	if got.errno != errnos[o.Errno] || got.creds != credsOf(o.Task) {
		t.Errorf("%s: before %v: got %v, the law says %v %v", name, r.Before.Creds, got, o.Errno, credsOf(o.Task))
	}
}
