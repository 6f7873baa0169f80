package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

const bind = capset.Set(1 << capset.NetBindService)

// start is an ordinary user's container on port 80, with what change makes of it.
func start(change func(*scenario.Start)) *scenario.Start {
	s := &scenario.Start{
		Name: "web", Syntax: scenario.PodmanRun,
		Settings: scenario.Settings{
			Runtime: scenario.Runtime{Name: scenario.Podman}, UID: 1000, GID: 1000, Granted: bind, PortStart: scenario.Unset,
		},
		Program: scenario.Program{
			Args: []string{"server", "-v"}, Awareness: scenario.Aware,
			Chain: []scenario.Step{{Path: "/usr/bin/server", File: law.File{Caps: filecap.Caps{Permitted: bind, Revision: filecap.V2}}}},
		},
		Listens: []scenario.Listen{scenario.NewListen("tcp", 80, 80, "--listen")},
	}
	change(s)
	return s
}

func dumb(s *scenario.Start) { s.Program.Last().File.Caps.Effective, s.Settings.Granted = true, 0 }

// unsure has a case in which the program does not start.
func unsure(s *scenario.Start) {
	s.Unsure(scenario.Unknown{Fact: scenario.FactFile, What: "the weather", Settle: "--look", Cases: []scenario.Case{
		{If: "it rains", Set: func(*scenario.Start) {}},
		{If: "it snows", Set: dumb},
	}})
}

// of returns the answer for the starts.
func of(policy diagnose.Policy, starts ...*scenario.Start) *Report {
	r := Of()
	for _, s := range starts {
		o := diagnose.Weigh(law.Kernel{}, s, policy)
		r.Starts = append(r.Starts, New(s, &o))
	}
	return r
}

// cases is starts of every kind, and what their text says and does not say.
var cases = map[string]struct {
	change func(*scenario.Start)
	worst  string
	says   []string
	not    []string
}{
	"works": {
		func(*scenario.Start) {}, works,
		[]string{"OK    web (server -v)", "starts as 1000:1000; permitted: cap_net_bind_service; effective: nothing", "tcp :80: the program raises CAP_NET_BIND_SERVICE"},
		[]string{"cause", "remed", "note"},
	},
	"holds it": {
		func(s *scenario.Start) { s.Program.Last().File.Caps.Effective = true }, works,
		[]string{"permitted and effective: cap_net_bind_service", "tcp :80: CAP_NET_BIND_SERVICE is effective"},
		nil,
	},
	"high port": {
		func(s *scenario.Start) { s.Listens = []scenario.Listen{scenario.NewListen("udp", 2000, 2010, "")} }, works,
		[]string{"ports 2000-2010/udp: needs no capability"},
		nil,
	},
	"does not start": {
		dumb, fails,
		[]string{"FAIL  web (server -v)", "does not start: fails with EPERM: /usr/bin/server carries", "cause: capability-dumb-file", "5. podman run --cap-add=NET_BIND_SERVICE"},
		[]string{"starts as", "tcp :80: needs"},
	},
	"does not bind": {
		func(s *scenario.Start) { s.Settings.Granted = 0 }, fails,
		[]string{"starts as 1000:1000; permitted and effective: nothing", "tcp :80: fails with EACCES: port 80 needs", "cause: not-in-bounding-set", "1. let it listen on tcp :8080"},
		nil,
	},
	"refused": {
		func(s *scenario.Start) {
			s.Refused = &scenario.Refusal{Cause: scenario.CauseNotFound, Reason: "it is not there"}
			s.Program.Chain = nil
		}, fails,
		[]string{"does not start: it is not there", "cause: not-found", "no remedy found"},
		[]string{"with E"},
	},
	"runs": {
		func(s *scenario.Start) {
			task := s.Settings.Task()
			task.Sets = cred.Sets{Permitted: bind}
			s.Running = &task
		}, works,
		[]string{"runs as 1000:1000"},
		[]string{"starts as"},
	},
	"depends": {
		func(s *scenario.Start) {
			unsure(s)
			s.Note("two\nlines")
		}, depends,
		[]string{
			"DEPENDS  web (server -v): depends on the weather (--look)", "OK   if it rains:\n        starts as 1000:1000", "FAIL if it snows:\n        does not start: fails with EPERM",
			"cause: capability-dumb-file", "each makes it work in every case", "cap-add=NET_BIND_SERVICE", `note: two\nlines`,
		},
		[]string{"remedies for this case"},
	},
	"depends, with remedies for a case": {
		func(s *scenario.Start) {
			unsure(s)
			s.Unsure(scenario.Unknown{Fact: scenario.FactUser, What: "the user", Settle: "--user", Cases: []scenario.Case{
				{If: "he is there", Set: func(*scenario.Start) {}},
				{If: "he is not", Set: func(s *scenario.Start) {
					s.Refused = &scenario.Refusal{Cause: scenario.CauseUnknownUser, Reason: "he is not there"}
				}},
			}})
		}, depends,
		[]string{"depends on the weather (--look), and on the user (--user)", "if it rains; and he is not:", "remedies for this case"},
		[]string{"no remedy"},
	},
	"fails otherwise": {
		func(s *scenario.Start) { s.Settings.Granted = 0; unsure(s) }, fails,
		[]string{"FAIL  web (server -v)\n", "FAIL if it rains:", "FAIL if it snows:"},
		nil,
	},
	"somebody": {
		func(s *scenario.Start) { s.Settings.Somebody = true }, works,
		[]string{"starts as another user than root; permitted"},
		nil,
	},
	"no difference": {
		func(s *scenario.Start) {
			s.Listens = nil
			s.Unsure(scenario.Unknown{Fact: scenario.FactUser, What: "the user", Settle: "--user", Cases: []scenario.Case{
				{If: "one", Set: func(*scenario.Start) {}},
				{If: "other", Set: func(s *scenario.Start) { s.Settings.UID = 7 }},
			}})
		}, works,
		[]string{"OK    web (server -v): starts; no address is known, so no bind was judged (--listen)\n"},
		[]string{"1000", "the user"},
	},
	"names of others": {
		func(s *scenario.Start) { s.Name = "we\x1b[2Jb" }, works,
		[]string{`"we\x1b[2Jb"`},
		[]string{"\x1b[2J"},
	},
}

// TestText holds what the text says of each kind of start.
func TestText(t *testing.T) {
	for name, tc := range cases {
		r := of(nil, start(tc.change))
		var b bytes.Buffer
		if err := r.WriteText(&b, false); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if r.Worst() != tc.worst {
			t.Errorf("%s: got %s, want %s", name, r.Worst(), tc.worst)
		}
		for _, s := range tc.says {
			if !strings.Contains(text, s) {
				t.Errorf("%s: got\n%s\nwant it to say %q", name, text, s)
			}
		}
		for _, s := range append(tc.not, "trace", "\x1b") { // no terminal, no colours
			if strings.Contains(text, s) {
				t.Errorf("%s: got\n%s\nwant it not to say %q", name, text, s)
			}
		}
	}
}

// TestJSON holds that the JSON of every kind of start, with and without remedies
// that a policy forbids, fits the schema that is published.
func TestJSON(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/explain.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	forbid := func(*scenario.Start, []diagnose.Change) string { return "not here" }
	for name, tc := range cases {
		for _, policy := range []diagnose.Policy{nil, forbid} {
			r := of(policy, start(tc.change))
			r.Starts[0].Tried = &Tried{Differences: []string{"one"}, Notes: []string{"another"}}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err := errors.Join(err, schema.Validate(value)); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
	var got struct {
		Starts []struct {
			Name, Source string
			Exec         struct{ Errno, Cause string }
			Remedies     []struct{ Change string }
			Withheld     []struct{ Withheld string }
		}
	}
	text, err := json.Marshal(of(forbid, start(dumb)))
	if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil {
		t.Fatal(err)
	}
	s := got.Starts[0]
	if s.Name != "web" || s.Source != "podman" || s.Exec.Errno != "EPERM" || s.Exec.Cause != "capability-dumb-file" ||
		len(s.Remedies) != 0 || len(s.Withheld) == 0 || s.Withheld[0].Withheld != "not here" {
		t.Errorf("got %+v", s)
	}
}

// TestTrace holds that the trace is there where it is asked for, and says what each
// rule was about.
func TestTrace(t *testing.T) {
	r := of(nil, start(func(s *scenario.Start) { s.Settings.Granted = 0 }))
	var b bytes.Buffer
	if err := r.WriteText(&b, true); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"trace:\n", "/usr/bin/server: ", "[file-caps-partial; ", "tcp :80: ", "[port-not-effective; "} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("got\n%s\nwant it to say %q", b.String(), s)
		}
	}
}

// TestSeveral holds that one start that fails is enough, and that each is told
// apart.
func TestSeveral(t *testing.T) {
	good, bad, both := start(func(*scenario.Start) {}), start(dumb), start(unsure)
	for want, r := range map[string]*Report{works: of(nil, good, good), fails: of(nil, both, bad), depends: of(nil, good, both)} {
		var b bytes.Buffer
		if err := r.WriteText(&b, false); err != nil {
			t.Fatal(err)
		}
		if r.Worst() != want || strings.Count(b.String(), "web (server -v)") != 2 || strings.Count(b.String(), "\n\n") != 1 {
			t.Errorf("got %s, want %s\n%s", r.Worst(), want, b.String())
		}
	}
}

// TestNames holds how a set is shown to people: never as a list that is too long
// to read.
func TestNames(t *testing.T) {
	for want, set := range map[string]capset.Set{
		"nothing":              0,
		"all":                  capset.All,
		"cap_net_bind_service": bind,
		"all but cap_chown":    capset.All &^ capset.Of(capset.Chown),
		"cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid": 0x1f,
		"6, cap_net_bind_service not among them":                               0x3f,
		"7, cap_net_bind_service among them":                                   0x3f | bind,
	} {
		if got := names(set); got != want {
			t.Errorf("%x: got %q, want %q", uint64(set), got, want)
		}
	}
}
