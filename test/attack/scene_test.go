package attack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/need"
)

// attackerID is the attacker's user and group.
const attackerID = 61001

// scene is the files of an attack: the system's, which nobody but root may change, and
// beside them the attacker's home.
//
//	sys/ping      cap_net_raw=ep       sys/z    cap_setuid=ep     sys/plain   nothing
//	home/user/z   cap_net_bind_service=ep, the attacker's own
//	home/user/dir/z   the same, for swaps of a folder
type scene struct {
	t          *testing.T
	root       string
	good, evil []byte // programs that say so, and what they are permitted
	sys        map[string]fact
}

// fact is what must not change of a file of the system.
type fact struct {
	content []byte
	caps    string
	info    os.FileInfo
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, root: kerneltest.PublicDir(t, "/var/lib"), sys: map[string]fact{}}
	s.good, s.evil = s.compile("GOOD"), s.compile("EVIL")
	s.must(os.Mkdir(s.path("sys"), 0o755), os.WriteFile(s.path("evil"), s.evil, 0o755))
	for name, caps := range map[string]string{"ping": "cap_net_raw=ep", "z": "cap_setuid=ep", "plain": ""} {
		path := s.path("sys", name)
		s.must(os.WriteFile(path, s.evil, 0o755), setcap(path, caps)) // a shell of root's would do the same
		info, err := os.Lstat(path)
		s.must(err)
		s.sys[name] = fact{s.evil, caps, info}
	}
	s.reset()
	return s
}

func (s *scene) path(elements ...string) string {
	return filepath.Join(append([]string{s.root}, elements...)...)
}

func (s *scene) must(errs ...error) {
	s.t.Helper()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

// compile makes a program that says what it is.
func (s *scene) compile(says string) []byte {
	s.t.Helper()
	out := filepath.Join(s.t.TempDir(), says)
	cmd := exec.Command(need.Tool(s.t, "gcc"), "-O", "-s", fmt.Sprintf("-DSAYS=%q", says), "-o", out, "testdata/says.c")
	if text, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	content, err := os.ReadFile(out)
	s.must(err)
	return content
}

func setcap(path, caps string) error {
	if caps == "" {
		return nil
	}
	c, err := filecap.FromText(caps)
	if err != nil {
		return err
	}
	return filecap.Set(path, c)
}

// reset makes the attacker's home anew. He is stopped meanwhile.
func (s *scene) reset() {
	s.t.Helper()
	s.must(os.RemoveAll(s.path("home")), os.Mkdir(s.path("home"), 0o755))
	for _, dir := range []string{"home/user", "home/user/dir"} {
		s.must(os.Mkdir(s.path(dir), 0o755), os.Lchown(s.path(dir), attackerID, attackerID))
		for _, name := range []string{"z", "evil"} {
			content := s.good
			if name == "evil" {
				content = s.evil
			}
			path := s.path(dir, name)
			s.must(os.WriteFile(path, content, 0o755), os.Lchown(path, attackerID, attackerID))
		}
		s.must(setcap(s.path(dir, "z"), "cap_net_bind_service=ep"))
	}
}

// restore makes a file of the system what it was.
func (s *scene) restore() {
	s.t.Helper()
	entries, err := os.ReadDir(s.path("sys"))
	s.must(err)
	for _, e := range entries {
		s.must(os.RemoveAll(s.path("sys", e.Name())))
	}
	for name, is := range s.sys {
		path := s.path("sys", name)
		s.must(os.WriteFile(path, is.content, 0o755), setcap(path, is.caps))
		is.info, err = os.Lstat(path)
		s.must(err)
		s.sys[name] = is
	}
}

// lost says what is different about the files of the system.
func (s *scene) lost() []string {
	var out []string
	entries, err := os.ReadDir(s.path("sys"))
	s.must(err)
	if len(entries) != len(s.sys) {
		out = append(out, fmt.Sprintf("sys has %d files, not %d", len(entries), len(s.sys)))
	}
	for name, was := range s.sys {
		path := s.path("sys", name)
		info, err := os.Lstat(path)
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		content, err := os.ReadFile(path)
		s.must(err)
		if caps := capsOf(path); caps != was.caps || info.Mode() != was.info.Mode() || !os.SameFile(info, was.info) || !bytes.Equal(content, was.content) {
			out = append(out, fmt.Sprintf("sys/%s carries %q and is %s", name, caps, info.Mode()))
		}
	}
	return out
}

// capsOf returns a file's capabilities as text, "" for none.
func capsOf(path string) string {
	caps, err := filecap.Get(path)
	if errors.Is(err, filecap.ErrNone) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	return caps.String()
}
