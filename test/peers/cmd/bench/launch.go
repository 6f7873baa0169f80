package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/launch"
)

// benchLaunch measures how much later a program starts and ends behind a
// launcher. The first argument is the launcher as scripts/launchers.sh makes it,
// the second the command line of capwise.
func benchLaunch(packed, capwise string) error {
	dir, err := os.MkdirTemp("", "capwise-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	target, launcher := filepath.Join(dir, "true"), filepath.Join(dir, "launcher")
	if err := copyProgram("/bin/true", target); err != nil {
		return err
	}
	if err := stamp(packed, launcher, target); err != nil {
		return err
	}
	const bind = "cap_net_bind_service"
	subjects := []subject{{"bare", started(target), ""}}
	for _, s := range []struct {
		name, target string
		argv         []string
	}{
		{"our launcher", "target: at most 1.5 ms over bare, faster than gosu", []string{launcher}},
		{"capwise exec", "", []string{capwise, "exec", "--cap", bind, "--", target}},
		{"setpriv", "", []string{"setpriv", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", target}},
		{"capsh", "", []string{"capsh", "--iab=^" + bind, "--shell=" + target, "--"}},
		{"tini", "", []string{"tini", "-s", "--", target}},
		{"gosu", "", []string{"gosu", "root", target}},
	} {
		path, err := exec.LookPath(s.argv[0])
		if err != nil {
			return err
		}
		subjects = append(subjects, subject{s.name, started(path, s.argv[1:]...), s.target})
	}
	return compare("from exec to the end of true", "µs", 301, subjects)
}

// started measures one start, in microseconds.
func started(path string, args ...string) func() (float64, error) {
	argv := append([]string{path}, args...)
	attr := &syscall.ProcAttr{Env: []string{"PATH=/usr/bin:/bin"}, Files: []uintptr{0, 1, 2}}
	return func() (float64, error) {
		begin := time.Now()
		pid, err := syscall.ForkExec(path, argv, attr)
		if err != nil {
			return 0, err
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
			return 0, err
		}
		if status.ExitStatus() != 0 {
			return 0, fmt.Errorf("%q ends with %d", argv, status.ExitStatus())
		}
		return float64(time.Since(begin).Nanoseconds()) / 1000, nil
	}
}

// stamp makes a launcher for the target, with the capability permitted.
func stamp(packed, launcher, target string) error {
	f, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	empty, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	bind := capset.Of(capset.NetBindService)
	program, err := launch.Stamp(empty, launch.Config{Caps: launch.Caps{Prefer: bind}, Target: target})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(launcher, program, 0o755), filecap.Set(launcher, filecap.Caps{Permitted: bind, Revision: filecap.V2}))
}
