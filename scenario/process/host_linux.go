package process

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/scenario"
)

// Host describes the start of a program by the calling process: with its
// credentials, in its namespaces, looked for in its search path.
func Host(args []string) (scenario.Start, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := reader{dir: "/proc/self", pid: sys.Getpid()}
	if err := r.credentials(); err != nil {
		return scenario.Start{}, err
	}
	sets, err := cred.Current()
	if err != nil {
		return scenario.Start{}, err
	}
	r.start.Settings.Given, r.start.Running, r.start.Notes = &sets, nil, nil
	r.start.Settings.Runtime.Name = scenario.Shell
	r.network()
	r.start.Syntax = scenario.Host
	r.start.Request = scenario.Request{Path: os.Getenv("PATH")}
	r.start.Request.WorkDir, _ = os.Getwd() // relative names begin there, if there is such a place
	if len(args) > 0 {
		r.start.Name = filepath.Base(args[0])
		r.start.Request.Entrypoint, r.start.Request.Args = args[:1:1], args[1:]
	}
	return r.start, nil
}
