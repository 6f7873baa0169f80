package diagnose_test

import (
	"strings"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// TestJudgeExec holds which starts fail, and for which cause.
func TestJudgeExec(t *testing.T) {
	for name, tc := range map[string]struct {
		change change
		errno  law.Errno
		cause  diagnose.Cause
	}{
		"plain":             {both(), law.OK, ""},
		"dumb, granted":     {file("cap_net_bind_service=ep"), law.OK, ""},
		"dumb":              {both(file("cap_net_bind_service=ep"), nothing), law.EPERM, diagnose.DumbFile},
		"dumb, on nosuid":   {both(file("cap_net_bind_service=ep"), nothing, isNosuid), law.OK, ""},
		"dumb, all nosuid":  {both(file("cap_net_bind_service=ep"), nothing, allNosuid), law.OK, ""},
		"malformed":         {isMalformed, law.EINVAL, diagnose.MalformedFile},
		"dumb before it":    {both(nothing, through("/bin/sh", law.File{Caps: filecap.Caps{Permitted: bind, Effective: true, Revision: filecap.V2}})), law.EPERM, diagnose.DumbFile},
		"refused":           {refused(scenario.CauseNotFound), law.OK, scenario.CauseNotFound},
		"dumb, but it runs": {both(file("cap_net_bind_service=ep"), nothing, running(cred.Sets{})), law.OK, ""},
	} {
		s := startOf(tc.change, listen(8080))
		j := diagnose.Judge(law.Kernel{}, s)
		if j.Exec.Errno != tc.errno || j.Exec.Cause != tc.cause || j.Exec.OK() != (tc.cause == "") {
			t.Errorf("%s: got %s %s, want %s %s", name, j.Exec.Errno, j.Exec.Cause, tc.errno, tc.cause)
		}
		if (j.Exec.Reason != "") != (tc.cause != "") {
			t.Errorf("%s: got the reason %q for the cause %q", name, j.Exec.Reason, tc.cause)
		}
		if j.OK() != (tc.cause == "") {
			t.Errorf("%s: got OK %t", name, j.OK())
		}
	}
}

// TestJudgeBind holds what a bind needs, and for which cause it fails.
func TestJudgeBind(t *testing.T) {
	const free, raise, held = diagnose.Free, diagnose.Raise, diagnose.Held
	ambientBefore := both(bySystemd, asAmbient)
	clears := law.File{Caps: filecap.Caps{Permitted: capset.Of(capset.NetRaw), Revision: filecap.V2}}
	for name, tc := range map[string]struct {
		change change
		need   diagnose.Needs
		cause  diagnose.Cause
	}{
		"high port":                {listen(1024), free, ""},
		"root":                     {asRoot, held, ""},
		"effective":                {file("cap_net_bind_service=ep"), held, ""},
		"aware":                    {both(file(permitted), isAware), raise, ""},
		"dumb":                     {file(permitted), "", diagnose.NotRaised},
		"not granted":              {nothing, "", diagnose.NotInBoundingSet},
		"no file":                  {isAware, "", diagnose.NoFileCapability},
		"other file":               {both(file("cap_net_raw=p"), isAware), "", diagnose.NoFileCapability},
		"ambient":                  {ambientBefore, held, ""},
		"ambient, set-user":        {both(ambientBefore, isSetUser), "", diagnose.AmbientCleared},
		"ambient, other file":      {both(ambientBefore, file("cap_net_raw=p")), "", diagnose.AmbientCleared},
		"other ambient":            {both(bySystemd, set(func(s *scenario.Settings) { s.Ambient = capset.Of(capset.NetRaw) }), file("cap_net_raw=p")), "", diagnose.NoFileCapability},
		"ambient, cleared before":  {both(ambientBefore, through("/usr/bin/ping", clears)), "", diagnose.AmbientCleared},
		"ambient, cleared, nosuid": {both(ambientBefore, file("cap_net_raw=p"), allNosuid), held, ""},
		"ambient, no longer root":  {both(ambientBefore, asRoot, through("/usr/bin/gosu", law.File{}), becomes(2000)), "", diagnose.NoFileCapability},
		"no longer root":           {both(byDocker, asRoot, portStart(1024), through("/usr/bin/gosu", law.File{}), becomes(2000)), "", diagnose.NoFileCapability},
		"foreign":                  {both(file(permitted), isForeign, isAware), "", diagnose.ForeignFileCapability},
		"foreign, hidden":          {both(file("="), isForeign, isAware), "", diagnose.ForeignFileCapability},
		"foreign, another":         {both(file("cap_net_raw=p"), isForeign, isAware), "", diagnose.NoFileCapability},
		"nosuid":                   {both(file(permitted), isNosuid, isAware), "", diagnose.NosuidMount},
		"no_new_privs":             {both(file(permitted), noNewPrivs, isAware), "", diagnose.LostToNoNewPrivs},
		"traced":                   {both(file(permitted), traced, isAware), "", diagnose.LostToTracer},
		"shared folder":            {both(file(permitted), sharedFS, isAware), "", diagnose.LostToTracer},
		"gave it up":               {both(file(permitted), isAware, running(cred.Sets{Bounding: bind})), "", diagnose.GivenUp},
		"root gave it up":          {both(asRoot, running(cred.Sets{Bounding: bind})), "", diagnose.GivenUp},
		"runs with it":             {both(isAware, running(cred.Sets{Permitted: bind, Bounding: bind})), raise, ""},
		"network of others":        {both(file("cap_net_bind_service=ep"), inUserns), "", diagnose.ForeignNetwork},
		"network from outside":     {both(byPodman, asRoot, inUserns, outside), "", diagnose.ForeignNetwork},
		"own network":              {both(byPodman, asRoot, inUserns), held, ""},
	} {
		s := startOf(tc.change)
		j := diagnose.Judge(law.Kernel{}, s)
		if len(j.Binds) != 1 {
			t.Errorf("%s: got %s %q, want it to start", name, j.Exec.Cause, j.Exec.Reason)
			continue
		}
		got, want := j.Binds[0], tc.need
		if tc.cause != "" {
			want = diagnose.Fail
		}
		if got.Needs != want || got.Cause != tc.cause || (got.Errno == law.EACCES) != (tc.cause != "") {
			t.Errorf("%s: got %s %s %s, want %s %s", name, got.Needs, got.Errno, got.Cause, want, tc.cause)
		}
		if j.OK() != (tc.cause == "") || (got.Reason != "") != (tc.cause != "") {
			t.Errorf("%s: OK %t, reason %q", name, j.OK(), got.Reason)
		}
	}
	off := diagnose.Judge(law.Kernel{NoFileCaps: true}, startOf(file(permitted), isAware))
	if off.Binds[0].Cause != diagnose.FileCapsDisabled {
		t.Errorf("no_file_caps: got %s", off.Binds[0].Cause)
	}
}

// becomes lets the program before the last change to another user.
func becomes(uid uint32) change {
	return func(s *scenario.Start) { s.Program.Last().Switch = &scenario.Switch{By: "gosu", UID: &uid} }
}

// TestJudgeAll holds that one address that fails is enough, and that a range is
// judged in parts.
func TestJudgeAll(t *testing.T) {
	for name, tc := range map[string]struct {
		change change
		fails  []bool
	}{
		"one of two": {listen(80, 8080), []bool{true, false}},
		"the other":  {listen(8080, 80), []bool{false, true}},
		"none":       {listen(8080, 8443), []bool{false, false}},
		"a range":    {listenRange(1000, 1100), []bool{true, false}},
		"from any":   {listenRange(0, 1100), []bool{false, true, false}},
	} {
		j := diagnose.Judge(law.Kernel{}, startOf(tc.change))
		ok := true
		for i, fails := range tc.fails {
			ok = ok && !fails
			if len(j.Binds) != len(tc.fails) || len(j.Listens) != len(tc.fails) || j.Binds[i].OK() == fails {
				t.Fatalf("%s: got %+v, want failures %v", name, j.Binds, tc.fails)
			}
		}
		if j.OK() != ok {
			t.Errorf("%s: got OK %t", name, j.OK())
		}
	}
}

// TestReason holds that a reason names the program, and the one before it.
func TestReason(t *testing.T) {
	malformed := both(isMalformed, listen(8080))
	for says, c := range map[string]change{
		"security.capability of /usr/bin/server ": malformed,
		"security.capability of the program ":     both(malformed, path("")),
		" /usr/bin/server carries no":             both(),
		" the program's file carries no":          path(""),
		"(tini started it without)":               both(file(permitted), isAware, noNewPrivs, through("/sbin/tini", law.File{})),
		"(the caller did not have it)":            both(file(permitted), isAware, noNewPrivs),
	} {
		j := diagnose.Judge(law.Kernel{}, startOf(c))
		reason := j.Exec.Reason
		for _, b := range j.Binds {
			reason += b.Reason
		}
		if !strings.Contains(reason, says) {
			t.Errorf("got %q, want it to say %q", reason, says)
		}
	}
}

// TestMissing holds which capabilities the reason of a dumb file names: what it
// carries and cannot have, whether from the bounding set or as inheritable.
func TestMissing(t *testing.T) {
	const carries = "cap_net_bind_service,cap_net_raw,cap_chown=ep"
	inheritable := file("cap_net_bind_service=eip cap_chown,cap_net_raw=ep")
	for name, tc := range map[string]struct {
		change change
		want   string
	}{
		"one":             {both(file(carries), granted(capset.Chown, capset.NetRaw)), "CAP_NET_BIND_SERVICE is not in the bounding set"},
		"two":             {both(file(carries), granted(capset.Chown)), "CAP_NET_BIND_SERVICE, CAP_NET_RAW are not in the bounding set"},
		"inheritable":     {both(inheritable, given(cred.Sets{Inheritable: bind, Bounding: capset.Of(capset.Chown)})), "CAP_NET_RAW is not in the bounding set"},
		"not inheritable": {both(inheritable, given(cred.Sets{Bounding: capset.Of(capset.Chown, capset.NetRaw)})), "CAP_NET_BIND_SERVICE is not in the bounding set"},
	} {
		j := diagnose.Judge(law.Kernel{}, startOf(tc.change))
		if got := j.Exec.Reason; len(got) < len(tc.want) || got[len(got)-len(tc.want)-1:] != " "+tc.want {
			t.Errorf("%s: got %q, want it to end in %q", name, got, tc.want)
		}
	}
}
