package attack

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/launch"
)

// gains says what the attacker has now that he did not have: a capability on content
// that is not the program which root gave it to, in whatever way.
func (s *scene) gains() []string {
	out := s.lost()
	err := filepath.WalkDir(s.path("home"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		out = append(out, s.gained(path)...)
		return nil
	})
	s.must(err)
	return out
}

// gained looks at one file that is the attacker's, or in his folder.
func (s *scene) gained(path string) []string {
	info, err := os.Lstat(path)
	s.must(err)
	var out []string
	if st := info.Sys().(*syscall.Stat_t); st.Mode&0o4000 != 0 && st.Uid != attackerID || st.Mode&0o2000 != 0 && st.Gid != attackerID {
		out = append(out, path+" has another's set-id bit")
	}
	for _, was := range s.sys {
		if os.SameFile(info, was.info) {
			return out // a name more, which lost looks after
		}
	}
	text := capsOf(path)
	if text == "" || strings.Contains(text, "[rootid=") { // which counts in a namespace of his own
		return out
	}
	content, err := os.ReadFile(path)
	s.must(err)
	if !permits(text, "cap_net_bind_service") {
		out = append(out, fmt.Sprintf("%s carries %s", path, text))
	}
	config, err := launch.Find(content)
	if err == nil {
		return append(out, s.launched(path, config)...)
	}
	if !bytes.Equal(content, s.good) {
		out = append(out, fmt.Sprintf("%s carries %s, and is another program than was given it", path, text))
	}
	return out
}

// permits reports whether a file's capabilities are no more than the one named.
func permits(text, name string) bool {
	c, err := filecap.FromText(text)
	if err != nil {
		return false
	}
	want, err := filecap.FromText(name + "=p")
	return err == nil && (c.Permitted|c.Inheritable)&^want.Permitted == 0
}

// launched lets the attacker put his own program where a launcher looks for one, by
// writing and by replacing, and starts the launcher.
func (s *scene) launched(path string, config launch.Config) []string {
	if !strings.HasPrefix(config.Target, s.root) {
		return []string{fmt.Sprintf("%s is a launcher for %s", path, config.Target)}
	}
	var out []string
	for _, how := range []string{`cat "$1" >"$0"`, `rm -f "$0" && cp "$1" "$0"`} {
		_ = asAttacker("/bin/sh", "-c", how, config.Target, s.path("evil")).Run() // he need not manage
		said, err := asAttacker(path).CombinedOutput()
		if is := strings.Fields(string(said)); err == nil && len(is) == 2 && is[0] == "EVIL" && is[1] != strings.Repeat("0", 16) {
			out = append(out, fmt.Sprintf("%s starts the attacker's program with %s", path, is[1]))
		}
	}
	return out
}

// asAttacker is a command of the attacker's.
func asAttacker(argv ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { defer cancel(); return cmd.Process.Kill() }
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attackerID, Gid: attackerID}}
	return cmd
}
