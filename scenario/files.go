package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
)

// Files is the file system that a program is looked up in: that of an image, or
// of a host. Paths are absolute; Stat and Head follow symbolic links within it,
// and return an error that wraps [fs.ErrNotExist] where there is no such file.
type Files interface {
	Stat(path string) (FileInfo, error)
	// Head returns the file's first bytes, at most n.
	Head(path string, n int) ([]byte, error)
	// String names the file system in a sentence, such as "image caddy.tar".
	String() string
}

// FileInfo is what matters about a file to who executes it.
type FileInfo struct {
	// Path is where the file lies after symbolic links.
	Path string
	Mode fs.FileMode
	UID  uint32
	GID  uint32
	// Caps is the raw attribute security.capability; nil for none.
	Caps   []byte
	Nosuid bool
	// Foreign says that Caps counts in another user namespace only.
	Foreign bool
}

// file returns what execve(2) looks at.
func (i FileInfo) file() law.File {
	const groupExecute = 0o010
	f := law.File{
		SetUID: i.Mode&fs.ModeSetuid != 0, SetGID: i.Mode&fs.ModeSetgid != 0 && i.Mode&groupExecute != 0,
		UID: i.UID, GID: i.GID, Nosuid: i.Nosuid, Foreign: i.Foreign,
	}
	if i.Caps != nil {
		caps, err := filecap.Parse(i.Caps)
		f.Caps, f.Malformed = caps, err != nil
	}
	return f
}

// executable says why the file cannot be executed, or nil. Only the bits are
// looked at, not who asks: root may execute what anybody may.
func (i FileInfo) executable() error {
	const anyExecute = 0o111
	if i.Mode.IsDir() || i.Mode&anyExecute == 0 {
		return fs.ErrPermission
	}
	return nil
}

// errNotFound is what a program that is nowhere in the search path comes to.
var errNotFound = errors.New("executable file not found in $PATH")

// DefaultPath is the search path where neither the source nor the image sets one.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// find looks a program up as execvp(3) does.
func find(files Files, name, search, workDir string) (FileInfo, error) {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join("/", workDir, name)
		}
		info, err := files.Stat(name)
		if err != nil {
			return FileInfo{}, err
		}
		return info, info.executable()
	}
	for dir := range strings.SplitSeq(search, ":") {
		info, err := files.Stat(path.Join("/", dir, name))
		if err == nil && info.executable() == nil {
			return info, nil
		}
	}
	return FileInfo{}, fmt.Errorf("%q: %w", name, errNotFound)
}

// interpreter returns the words after #! of a script, nil for another file.
func interpreter(head []byte) []string {
	rest, ok := strings.CutPrefix(string(head), "#!")
	if !ok {
		return nil
	}
	line, _, _ := strings.Cut(rest, "\n")
	name, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
	if arg = strings.TrimSpace(arg); arg != "" {
		return []string{name, arg}
	}
	return []string{name}
}
