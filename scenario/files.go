package scenario

import (
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
	File law.File
}

// FileOf returns what execve(2) looks at on a file with the mode and owner; raw
// is its attribute security.capability, nil for none.
func FileOf(mode fs.FileMode, uid, gid uint32, raw []byte) law.File {
	const groupExecute = 0o010
	f := law.File{
		SetUID: mode&fs.ModeSetuid != 0, SetGID: mode&fs.ModeSetgid != 0 && mode&groupExecute != 0,
		UID: uid, GID: gid,
	}
	if raw != nil {
		caps, err := filecap.Parse(raw)
		f.Caps, f.Malformed = caps, err != nil
	}
	return f
}

// mostLinks is how many symbolic links the kernel follows (MAXSYMLINKS of
// fs/namei.c).
const mostLinks = 40

// FollowLinks returns where the absolute name leads below a root of its own,
// whose symbolic links mean files below that root. readlink returns the target
// of a symbolic link, "" for another file, and an error where there is none.
func FollowLinks(name string, readlink func(string) (string, error)) (string, error) {
	left, at := path.Clean("/"+name), "/"
	for links := 0; left != ""; {
		part, rest, _ := strings.Cut(strings.TrimPrefix(left, "/"), "/")
		left = rest
		if part == "" {
			continue
		}
		next := path.Join(at, part)
		target, err := readlink(next)
		if err != nil {
			return "", err
		}
		if target == "" {
			at = next
			continue
		}
		if links++; links > mostLinks {
			return "", fmt.Errorf("more than %d symbolic links", mostLinks)
		}
		if !path.IsAbs(target) {
			target = path.Join(at, target)
		}
		left, at = path.Join(target, left), "/"
	}
	return at, nil
}
