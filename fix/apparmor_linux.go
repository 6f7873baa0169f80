package fix

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/launch"
)

// appArmor is where the profiles of AppArmor are, each a file, and beside them what
// they include.
const appArmor = "/etc/apparmor.d"

// Bounds of what is read there.
const (
	mostProfiles = 4096
	mostProfile  = 1 << 20
)

// profiled returns a note if a profile of AppArmor in the folder attaches to the program
// by its path, "" if none does or none can be read. Whether it is loaded is not looked at.
func profiled(folder, program string) string {
	root, err := plainfile.OpenRoot(folder)
	if err != nil {
		return ""
	}
	defer func() { _ = root.Close() }() // opened for reading
	dir, err := root.Open(".")
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }() // opened for reading
	entries, err := dir.ReadDir(mostProfiles)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if _, err := root.Lstat(path.Join("disable", e.Name())); err == nil || !e.Type().IsRegular() {
			continue
		}
		if attaches(root, e, program) {
			target := program + launch.TargetSuffix
			return fmt.Sprintf("%s has an AppArmor profile for it: where that is enforced, the program starts only if the profile says %s mrix, and lets the launcher look at each folder on the way (docs/launcher.md, AppArmor)",
				path.Join(folder, e.Name()), target)
		}
	}
	return ""
}

func attaches(root *os.Root, e fs.DirEntry, program string) bool {
	file, err := plainfile.OpenIn(root, e.Name())
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(file, mostProfile))
	return err == nil && attachesTo(text, program)
}

// header begins a profile: "/usr/bin/x {", "profile x /usr/bin/x flags=(complain) {"
// (apparmor.d(5)).
var header = regexp.MustCompile(`^\s*(?:profile\s+(?:"[^"]*"\s+|[^\s/@"]\S*\s+)?)?"?([/@][^\s"]*)"?\s*(?:xattrs=\([^)]*\)\s*)?(?:(?:flags\s*=\s*)?\([^)]*\)\s*)?\{`)

// variable is a definition, such as "@{exec_path} = /usr/bin/x".
var variable = regexp.MustCompile(`^\s*(@\{\w+\})\s*\+?=\s*(.*\S)`)

// attachesTo reports whether a profile in the text attaches to a path.
func attachesTo(text []byte, program string) bool {
	// What tunables/global of AppArmor defines.
	variables := map[string]string{"@{bin}": "/{,usr/}{,s}bin", "@{sbin}": "/{,usr/}sbin", "@{lib}": "/{,usr/}lib{,exec,32,64}", "@{multiarch}": "*-linux-gnu*"}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if m := variable.FindStringSubmatch(line); m != nil {
			variables[m[1]] = "{" + strings.Join(strings.Fields(m[2]), ",") + "}"
			continue
		}
		if m := header.FindStringSubmatch(line); m != nil && globMatches(expand(m[1], variables), program) {
			return true
		}
	}
	return false
}

// mostPattern is more bytes than an attachment has, and mostNested how often a variable
// may be defined by another.
const (
	mostPattern = 4096
	mostNested  = 4
)

func expand(pattern string, variables map[string]string) string {
	for range mostNested {
		for name, value := range variables {
			if strings.Contains(pattern, name) && len(pattern)+strings.Count(pattern, name)*len(value) <= mostPattern {
				pattern = strings.ReplaceAll(pattern, name, value)
			}
		}
	}
	return pattern
}

// globMatches reports whether a pattern of AppArmor matches the path: * and ? match
// no slash, ** does, and {a,b} is either.
func globMatches(pattern, name string) bool {
	var re strings.Builder
	re.WriteString("^(?:")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			if strings.HasPrefix(pattern[i:], "**") {
				re.WriteString(".*")
				i++
				continue
			}
			re.WriteString("[^/]*")
		case '?':
			re.WriteString("[^/]")
		case '{':
			re.WriteString("(?:")
		case '}':
			re.WriteString(")")
		case ',':
			re.WriteString("|")
		case '[', ']', '^', '-':
			re.WriteByte(c)
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re.WriteString(")$")
	compiled, err := regexp.Compile(re.String())
	return err == nil && compiled.MatchString(name)
}
