package diagnose_test

import (
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// change changes one thing of a start.
type change func(*scenario.Start)

// startOf returns an ordinary user's start of a dumb program from a shell, which
// listens on port 80, with the changes.
func startOf(changes ...change) *scenario.Start {
	s := &scenario.Start{
		Syntax: scenario.Host,
		Settings: scenario.Settings{
			Runtime: scenario.Runtime{Name: scenario.Shell}, UID: 1000, GID: 1000,
			Granted: capset.All, PortStart: scenario.Unset, Network: scenario.NetworkHost,
		},
		Program: scenario.Program{Chain: []scenario.Step{{Path: "/usr/bin/server"}}, Awareness: scenario.Dumb},
		Listens: []scenario.Listen{scenario.NewListen("tcp", 80, 80, "")},
	}
	for _, c := range changes {
		c(s)
	}
	return s
}

func both(changes ...change) change {
	return func(s *scenario.Start) {
		for _, c := range changes {
			c(s)
		}
	}
}

// by makes another runtime start the program, in a network of its own.
func by(name scenario.RuntimeName, syntax scenario.Syntax) change {
	return func(s *scenario.Start) {
		s.Settings.Runtime.Name, s.Syntax = name, syntax
		s.Settings.Network = scenario.NetworkPrivate
		s.Settings.Granted = s.Settings.Runtime.Behaviour().Default
	}
}

var (
	byDocker     = by(scenario.Docker, scenario.DockerRun)
	byPodman     = by(scenario.Podman, scenario.PodmanRun)
	byKubernetes = by(scenario.CRIO, scenario.Kubernetes)
	byCompose    = by(scenario.Docker, scenario.Compose)
	bySystemd    = both(by(scenario.Systemd, scenario.Unit), hostNetwork)
	bySystemdRun = both(by(scenario.Systemd, scenario.SystemdRun), hostNetwork)
	byRunC       = both(by(scenario.RunC, scenario.OCI), given(cred.Sets{Bounding: bind}))
)

// file gives the last program's file capabilities in libcap's text form.
func file(text string) change {
	return func(s *scenario.Start) {
		caps, err := filecap.FromText(text)
		if err != nil {
			panic(err)
		}
		s.Program.Last().File.Caps = caps
	}
}

// setFile changes the last program's file.
func setFile(set func(*law.File)) change {
	return func(s *scenario.Start) { set(&s.Program.Last().File) }
}

// set changes the settings.
func set(c func(*scenario.Settings)) change {
	return func(s *scenario.Start) { c(&s.Settings) }
}

func given(sets cred.Sets) change {
	return set(func(s *scenario.Settings) { s.Given = &sets })
}

func granted(caps ...capset.Cap) change {
	return set(func(s *scenario.Settings) { s.Granted = capset.Of(caps...) })
}

func portStart(n int) change {
	return set(func(s *scenario.Settings) { s.PortStart = n })
}

func listen(ports ...int) change {
	return func(s *scenario.Start) {
		s.Listens = nil
		for _, p := range ports {
			s.Listens = append(s.Listens, scenario.NewListen("tcp", p, p, ""))
		}
	}
}

func listenRange(first, last int) change {
	return func(s *scenario.Start) { s.Listens = []scenario.Listen{scenario.NewListen("udp", first, last, "")} }
}

// through executes another program before the last.
func through(path string, before law.File) change {
	return func(s *scenario.Start) {
		s.Program.Chain = append([]scenario.Step{{Path: path, File: before}}, s.Program.Chain...)
	}
}

func refused(c scenario.Cause) change {
	return func(s *scenario.Start) { s.Refused = &scenario.Refusal{Cause: c, Reason: "it says so"} }
}

// running makes the program one that runs already, with the sets.
func running(sets cred.Sets) change {
	return func(s *scenario.Start) {
		task := s.Settings.Task()
		task.Sets = sets
		s.Running = &task
	}
}

var (
	isAware     = func(s *scenario.Start) { s.Program.Awareness = scenario.Aware }
	nothing     = granted()
	noNewPrivs  = set(func(s *scenario.Settings) { s.NoNewPrivs = true })
	implied     = set(func(s *scenario.Settings) { s.NoNewPrivs, s.NoNewPrivsImplied = true, true })
	asRoot      = set(func(s *scenario.Settings) { s.UID, s.GID = 0, 0 })
	asAmbient   = set(func(s *scenario.Settings) { s.Ambient = bind })
	inUserns    = set(func(s *scenario.Settings) { s.UserNamespace = true })
	outside     = set(func(s *scenario.Settings) { s.NetworkOutside = true })
	hostNetwork = set(func(s *scenario.Settings) { s.Network = scenario.NetworkHost })
	allNosuid   = set(func(s *scenario.Settings) { s.Nosuid = true })
	traced      = set(func(s *scenario.Settings) { s.Tracer = law.TracerUnprivileged })
	sharedFS    = set(func(s *scenario.Settings) { s.SharedFS = true })
	isMalformed = setFile(func(f *law.File) { f.Malformed = true })
	isForeign   = setFile(func(f *law.File) { f.Foreign = true })
	isNosuid    = setFile(func(f *law.File) { f.Nosuid = true })
	isSetUser   = setFile(func(f *law.File) { f.SetUID, f.UID = true, 2000 })
)
