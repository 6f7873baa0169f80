package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/scenario/unit"
	"github.com/capwise/capwise/test/e2e/internal/engine"
)

// TestProtections holds what package unit knows of systemd's settings beside a
// systemd that runs: each of the settings that protect something, for root and for
// another user, and lines of capability sets.
func TestProtections(t *testing.T) {
	results.report(t, "each protection costs the privileges that are predicted", systemd.Name())
	need(t, systemd.needs...)
	probe := get(t, probeNone)
	t.Cleanup(func() { // what StateDirectory= leaves
		if err := errors.Join(os.RemoveAll("/var/lib/capwise-e2e"), os.RemoveAll("/var/lib/private/capwise-e2e")); err != nil {
			t.Error(err)
		}
	})
	below := "=-/nowhere " + filepath.Dir(probe.Path)
	for _, setting := range []string{
		"SystemCallFilter=@system-service", "SystemCallFilter=~@clock", "SystemCallArchitectures=native", "SystemCallLog=@clock",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "RestrictNamespaces=net", "RestrictNamespaces=no",
		"PrivateDevices=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes",
		"MemoryDenyWriteExecute=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "LockPersonality=no",
		"ProtectHostname=yes", "ProtectControlGroups=yes", "ProtectSystem=yes", "ProtectSystem=full", "ProtectSystem=strict",
		"ProtectHome=read-only", "PrivateTmp=no", "PrivateMounts=yes", "ReadWritePaths" + below, "ReadOnlyPaths" + below,
		"ExecPaths" + below, "BindPaths=/var:/mnt", "BindReadOnlyPaths=/usr:" + filepath.Dir(probe.Path) + "/none",
		"ProtectProc=invisible", "PrivateIPC=yes", "PrivateUsers=yes", "DynamicUser=yes", "StateDirectory=capwise-e2e", "KeyringMode=private",
		"RestrictFileSystems=ext4", "SocketBindDeny=any", "SecureBits=noroot", "AmbientCapabilities=CAP_NET_BIND_SERVICE",
		"AmbientCapabilities=CAP_SYS_ADMIN CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=~CAP_KILL", "CapabilityBoundingSet=cap_kill CAP_FOO 6",
	} {
		for _, user := range users {
			for _, nnp := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, uid %s, nnp %t", setting, user, nnp), func(t *testing.T) {
					holdUnit(t, engine.Spec{
						Program: probe, User: user, NoNewPrivs: nnp, PortStart: engine.AnyPortStart,
						// The set of the test's own comes first, and the last counts.
						Extra: []string{"--property=PrivateNetwork=yes", "--property=CapabilityBoundingSet=~", "--property=" + setting},
					})
				})
			}
		}
	}
}

// holdUnit makes a start and compares what it came to with what was predicted.
func holdUnit(t *testing.T, spec engine.Spec) {
	argv, err := systemd.Command("name", spec)
	if err != nil {
		t.Fatal(err)
	}
	first := slices.IndexFunc(argv, func(arg string) bool { return filepath.Base(arg) == "systemd-run" })
	said, err := unit.Caller{Version: versions[systemd.Name()]}.Run(argv[first:])
	if err != nil {
		t.Fatal(err)
	}
	facts := ask(t, systemd, spec)
	if got, want := facts["NoNewPrivs"] == "1", said.Settings.NoNewPrivs; got != want {
		t.Errorf("no_new_privs is %t, predicted %t", got, want)
	}
	if got, want := facts["Nosuid"] == "true", said.Settings.Sandbox.MountedNosuid(spec.Program.Path); got != want {
		t.Errorf("the program lies on a nosuid mount: %t, predicted %t", got, want)
	}
	if got, want := facts["UidMap"] != "0 0 4294967295", said.Settings.UserNamespace; got != want {
		t.Errorf("in a user namespace: %t (%s), predicted %t", got, facts["UidMap"], want)
	}
	mine := machineBounding(t, said.Settings.UserNamespace)
	for _, set := range []struct {
		key  string
		said capset.Set
	}{{"CapBnd", said.Settings.Granted & mine}, {"CapAmb", said.Settings.Ambient & mine}} {
		if want := fmt.Sprintf("%016x", uint64(set.said)); facts[set.key] != want {
			t.Errorf("%s is %s, predicted %s (%s)", set.key, facts[set.key], want, strings.Join(said.Notes, "; "))
		}
	}
}

// machineBounding is what a unit can have at most: in a user namespace of its own
// everything, and otherwise what this machine has.
func machineBounding(t *testing.T, inside bool) capset.Set {
	t.Helper()
	if inside {
		return capset.All
	}
	sets, err := cred.Current()
	if err != nil {
		t.Fatal(err)
	}
	return sets.Bounding
}
