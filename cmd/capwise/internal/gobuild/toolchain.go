package gobuild

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/capwise/capwise/overlay"
)

// goEnv is what "go env" says where the build takes place.
type goEnv struct {
	GOROOT, GOOS, GOARCH, GOHOSTOS, GOHOSTARCH, GOMODCACHE, GOCACHE, GOFLAGS, GOBIN, GOPATH string
}

// build is one call of the go command that builds.
type build struct {
	settings *Settings
	verb     string
	args     arguments
	// all is the arguments with those of GOFLAGS before them, as they count.
	all arguments
	dir string // where the go command works
	env goEnv
	// extra is variables that the go command needs besides.
	extra []string
	// name is that of the overlay's file.
	name string
}

func (s *Settings) newBuild(verb string, args []string) (*build, error) {
	b := &build{settings: s, verb: verb, args: parse(args)}
	var err error
	if b.dir, err = filepath.Abs(b.args.dir); err != nil {
		return nil, err
	}
	b.extra = b.otherToolchain()
	text, err := b.output(s.Go, "env", "-json", "GOROOT", "GOOS", "GOARCH", "GOHOSTOS", "GOHOSTARCH", "GOMODCACHE", "GOCACHE", "GOFLAGS", "GOBIN", "GOPATH")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &b.env); err != nil {
		return nil, err
	}
	b.all = parse(append(split(b.env.GOFLAGS), args...))
	return b, b.lateOverlay()
}

// otherToolchain returns the variable for the toolchain that the module of
// PACKAGE@VERSION asks for, which "go env" knows nothing of; none where the go
// command at hand does. Where there is no such module, the go command says so later.
func (b *build) otherToolchain() []string {
	if b.verb != "install" && b.verb != "run" || len(b.args.rest) == 0 || !strings.Contains(b.args.rest[0], "@") {
		return nil
	}
	var trace bytes.Buffer
	c := exec.Command(b.settings.Go, slices.Concat([]string{b.verb, "-n"}, b.args.flags, b.args.rest)...)
	c.Dir, c.Stderr, c.Env = b.dir, &trace, append(os.Environ(), "GODEBUG="+strings.TrimPrefix(os.Getenv("GODEBUG")+",toolchaintrace=1", ","))
	_ = c.Run()
	m := otherToolchain.FindSubmatch(trace.Bytes())
	if m == nil {
		return nil
	}
	return []string{"GOTOOLCHAIN=" + string(m[1])}
}

// otherToolchain is what the go command says of one that is not its own, with
// GODEBUG=toolchaintrace=1.
var otherToolchain = regexp.MustCompile(`(?m)^go: using (go\S+) toolchain `)

// lateOverlay refuses an overlay that "go test" would find behind the packages,
// where it would come after the one that injects.
func (b *build) lateOverlay() error {
	if b.verb != "test" {
		return nil
	}
	for _, arg := range b.args.rest {
		switch name, _, _ := flag(arg); name {
		case "args":
			return nil
		case "overlay":
			return fmt.Errorf("go test: %s: want it before the packages", arg)
		}
	}
	return nil
}

// output runs a command where the build takes place.
func (b *build) output(name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	c := exec.Command(name, args...)
	c.Dir, c.Stderr, c.Env = b.dir, &stderr, append(os.Environ(), b.extra...)
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %v: %s", args[0], err, bytes.TrimSpace(stderr.Bytes())) //nolint:errorlint // whoever looks for the exit code of a command means another
	}
	return out, nil
}

// overlay writes the overlay for the build, and returns its name.
func (b *build) overlay() (string, error) {
	if !filepath.IsAbs(b.env.GOCACHE) {
		return "", fmt.Errorf("GOCACHE=%s: want the absolute path of a folder, which go build needs", b.env.GOCACHE)
	}
	if err := b.reachable(); err != nil {
		return "", err
	}
	replace, err := b.others()
	if err != nil {
		return "", err
	}
	t := overlay.Toolchain{GOROOT: b.env.GOROOT, GOARCH: b.env.GOARCH}
	b.name, err = t.Write(filepath.Join(b.env.GOCACHE, "capwise"), overlay.Options{Start: b.settings.Start, Replace: replace})
	return b.name, err
}

// reachable sees to it that the toolchain takes an overlay. What go.mod's
// toolchain line downloads lies below the module cache, where the go command
// takes none; through a link from elsewhere it does.
func (b *build) reachable() error {
	inside, err := filepath.Rel(b.env.GOMODCACHE, b.env.GOROOT)
	if err != nil || inside == ".." || strings.HasPrefix(inside, "../") {
		return nil //nolint:nilerr // not below it
	}
	hash := sha256.Sum256([]byte(b.env.GOROOT))
	link := filepath.Join(b.env.GOCACHE, "capwise", hex.EncodeToString(hash[:8])+"-"+filepath.Base(b.env.GOROOT))
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		return err
	}
	if err := os.Symlink(b.env.GOROOT, link); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if target, err := os.Readlink(link); err != nil || target != b.env.GOROOT {
		return fmt.Errorf("%s: want a symbolic link to %s", link, b.env.GOROOT)
	}
	b.env.GOROOT = link
	b.extra = []string{"GOROOT=" + link, "GOTOOLCHAIN=local"}
	return nil
}

// command is the go command of the toolchain.
func (b *build) command() string {
	if len(b.extra) > 0 {
		return filepath.Join(b.env.GOROOT, "bin", "go")
	}
	return b.settings.Go
}

// others returns what the user's own overlay replaces, that of the command line
// or else of GOFLAGS.
func (b *build) others() (map[string]string, error) {
	name := b.all.overlay
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(b.absolute(name))
	if err != nil {
		return nil, err
	}
	var user struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &user); err != nil {
		return nil, fmt.Errorf("overlay %s: %w", name, err)
	}
	replace := map[string]string{}
	for from, to := range user.Replace {
		if to != "" { // "" takes a file away
			to = b.absolute(to)
		}
		replace[b.absolute(from)] = to
	}
	return replace, nil
}

// absolute returns a name as the go command understands it.
func (b *build) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(b.dir, name)
}
