package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// executable says why a file cannot be executed, or nil. Only the bits are
// looked at, not who asks: root may execute what anybody may.
func executable(i scenario.FileInfo) error {
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

// find looks a program up as execvp(3) does. called is the name by which it is
// executed.
func find(files scenario.Files, name, search, workDir string) (called string, _ scenario.FileInfo, err error) {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join("/", workDir, name)
		}
		info, err := files.Stat(name)
		if err != nil {
			return "", scenario.FileInfo{}, err
		}
		return name, info, executable(info)
	}
	for dir := range strings.SplitSeq(search, ":") {
		called = path.Join("/", dir, name)
		info, err := files.Stat(called)
		if err == nil && executable(info) == nil {
			return called, info, nil
		}
	}
	return "", scenario.FileInfo{}, fmt.Errorf("%q: %w", name, errNotFound)
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
