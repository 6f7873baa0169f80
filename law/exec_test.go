package law_test

import (
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
)

var (
	bind = capset.Of(capset.NetBindService)
	raw  = capset.Of(capset.NetRaw)
	all  = capset.All
)

// file returns an executable with the capabilities, in libcap's text form.
func file(caps string) law.File {
	c, err := filecap.FromText(caps)
	if err != nil {
		panic(err)
	}
	return law.File{Caps: c}
}

func changed(f law.File, change func(*law.File)) law.File {
	change(&f)
	return f
}

// user returns an ordinary user's task, changed.
func user(change func(*law.Task)) law.Task {
	t := law.User(1000, 1000, all)
	if change != nil {
		change(&t)
	}
	return t
}

// superuser returns what root of a container with the bounding set is.
func superuser(bounding capset.Set, change func(*law.Task)) law.Task {
	t := law.User(0, 0, bounding)
	t.Permitted, t.Effective = bounding, bounding
	if change != nil {
		change(&t)
	}
	return t
}

// after is what a case looks at of an outcome.
type after struct {
	errno                         law.Errno
	permitted, effective, ambient capset.Set
	uid, gid                      uint32 // effective
	secure                        bool
	dumpable                      uint8
	pdeathCleared                 bool
}

func look(o law.Outcome) after {
	t := o.Task
	return after{
		o.Errno, t.Permitted, t.Effective, t.Ambient, t.UID.Effective, t.GID.Effective,
		o.Secure, o.Dumpable, o.PdeathCleared,
	}
}

type execCase struct {
	name   string
	kernel law.Kernel
	task   law.Task
	file   law.File
	want   after
	rules  []law.Rule // those that must have had a say; there may be more
}

// same is the outcome of an execve(2) by user 1000 that changes nothing.
var same = after{uid: 1000, gid: 1000, dumpable: 1}

// execCases has each rule of execve(2) at least once. That the kernel does the
// same, and in every other case too, test/kernel shows.
var execCases = []execCase{
	{"nothing special", law.Kernel{}, user(nil), law.File{}, same, []law.Rule{law.NoFileCaps, law.EffectiveAmbient}},
	{
		"permitted",
		law.Kernel{},
		user(nil), file("cap_net_bind_service=p"),
		after{permitted: bind, uid: 1000, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.FileCaps, law.EffectiveAmbient, law.SecureCaps, law.NotDumpable},
	},
	{
		"permitted, dumps by all",
		law.Kernel{SuidDumpable: 2},
		user(nil), file("cap_net_bind_service=p"),
		after{permitted: bind, uid: 1000, gid: 1000, secure: true, dumpable: 2, pdeathCleared: true},
		[]law.Rule{law.NotDumpable},
	},
	{
		"permitted and not in X",
		law.Kernel{},
		user(func(t *law.Task) { t.Bounding = raw }), file("cap_net_bind_service=p"),
		same,
		[]law.Rule{law.FileCaps, law.FileCapsPartial},
	},
	{
		"dumb",
		law.Kernel{},
		user(nil), file("cap_net_bind_service=ep"),
		after{permitted: bind, effective: bind, uid: 1000, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.FileCaps, law.EffectivePermitted},
	},
	{
		"dumb and not in X",
		law.Kernel{},
		user(func(t *law.Task) { t.Bounding = raw }), file("cap_net_bind_service=ep"),
		after{errno: law.EPERM, uid: 1000, gid: 1000},
		[]law.Rule{law.FileCaps, law.FileCapsDumb},
	},
	{
		"dumb and one of two not in X",
		law.Kernel{},
		user(func(t *law.Task) { t.Bounding = raw }),
		file("cap_net_bind_service,cap_net_raw=ep"),
		after{errno: law.EPERM, uid: 1000, gid: 1000},
		[]law.Rule{law.FileCapsDumb},
	},
	{
		"dumb, root too",
		law.Kernel{},
		superuser(raw, nil), file("cap_net_bind_service=ep"),
		after{errno: law.EPERM, permitted: raw, effective: raw},
		[]law.Rule{law.FileCapsDumb},
	},
	{
		"dumb, inheritable instead of X",
		law.Kernel{},
		user(func(t *law.Task) { t.Bounding, t.Inheritable = 0, bind }), file("cap_net_bind_service=eip"),
		after{permitted: bind, effective: bind, uid: 1000, gid: 1000, secure: true, pdeathCleared: true},
		nil,
	},
	{
		"a capability that no kernel knows",
		law.Kernel{},
		user(nil), file("63=ep cap_net_bind_service=ep"),
		after{permitted: bind, effective: bind, uid: 1000, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.FileCaps},
	},
	{
		"a capability that an old kernel does not know",
		law.Kernel{Known: bind},
		user(nil), file("cap_net_raw=ep"),
		after{uid: 1000, gid: 1000, secure: true, dumpable: 1, pdeathCleared: true},
		[]law.Rule{law.FileCaps},
	},
	{"nosuid", law.Kernel{}, user(nil), changed(file("cap_net_bind_service=ep"), func(f *law.File) { f.Nosuid = true }), same, []law.Rule{law.FileCapsNosuid}},
	{"foreign", law.Kernel{}, user(nil), changed(file("cap_net_bind_service=ep"), func(f *law.File) { f.Foreign = true }), same, []law.Rule{law.FileCapsForeign}},
	{"no_file_caps", law.Kernel{NoFileCaps: true}, user(nil), file("cap_net_bind_service=ep"), same, []law.Rule{law.FileCapsDisabled}},
	{"malformed", law.Kernel{}, user(nil), law.File{Malformed: true}, after{errno: law.EINVAL, uid: 1000, gid: 1000}, []law.Rule{law.FileCapsMalformed}},
	{
		"ambient kept",
		law.Kernel{},
		user(func(t *law.Task) { t.Permitted, t.Inheritable, t.Ambient = bind|raw, bind, bind }),
		law.File{},
		after{permitted: bind, effective: bind, ambient: bind, uid: 1000, gid: 1000, dumpable: 1},
		[]law.Rule{law.AmbientKept},
	},
	{
		"an empty attribute clears ambient",
		law.Kernel{},
		user(func(t *law.Task) { t.Permitted, t.Inheritable, t.Ambient = bind, bind, bind }), file("="),
		same,
		[]law.Rule{law.AmbientClearedByFile},
	},
	{
		"keep_caps",
		law.Kernel{},
		user(func(t *law.Task) { t.Securebits = cred.KeepCaps }),
		law.File{},
		same,
		[]law.Rule{law.KeepCapsCleared},
	},
	{
		"unreadable", law.Kernel{}, user(nil), law.File{Unreadable: true}, after{uid: 1000, gid: 1000}, []law.Rule{law.NotDumpable},
	},
}

// setIDCases has the rules about root and set-id files.
var setIDCases = []execCase{
	{
		"root",
		law.Kernel{},
		superuser(bind, nil),
		law.File{},
		after{permitted: bind, effective: bind, dumpable: 1},
		[]law.Rule{law.RootPermitted, law.RootEffective, law.EffectivePermitted},
	},
	{
		"root with noroot",
		law.Kernel{},
		superuser(bind, func(t *law.Task) { t.Securebits = cred.NoRoot }),
		law.File{},
		after{dumpable: 1},
		[]law.Rule{law.RootSecurebit},
	},
	{
		"set-user-id root",
		law.Kernel{},
		user(func(t *law.Task) { t.Bounding = bind }),
		law.File{SetUID: true},
		after{permitted: bind, effective: bind, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.SetUID, law.RootPermitted, law.RootEffective, law.SecureIDs, law.NotDumpable},
	},
	{
		"set-user-id root with capabilities",
		law.Kernel{},
		user(nil), changed(file("cap_net_bind_service=p"), func(f *law.File) { f.SetUID = true }),
		after{permitted: bind, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.SetUID, law.RootSuppressed},
	},
	{
		"set-user-id another clears ambient",
		law.Kernel{},
		user(func(t *law.Task) { t.Permitted, t.Inheritable, t.Ambient = bind, bind, bind }),
		law.File{SetUID: true, UID: 7},
		after{uid: 7, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.SetUID, law.AmbientClearedBySetID},
	},
	{
		"set-group-id",
		law.Kernel{},
		user(nil),
		law.File{SetGID: true, GID: 7},
		after{uid: 1000, gid: 7, secure: true, pdeathCleared: true},
		[]law.Rule{law.SetGID, law.SecureIDs},
	},
	{
		"set-group-id to a supplementary group leaves ambient alone",
		law.Kernel{},
		user(func(t *law.Task) { t.Permitted, t.Inheritable, t.Ambient, t.Groups = bind, bind, bind, []uint32{7} }),
		law.File{SetGID: true, GID: 7},
		after{permitted: bind, effective: bind, ambient: bind, uid: 1000, gid: 7, secure: true, pdeathCleared: true},
		[]law.Rule{law.AmbientKept},
	},
	{"set-user-id on nosuid", law.Kernel{}, user(nil), law.File{SetUID: true, Nosuid: true}, same, []law.Rule{law.SetIDNosuid}},
	{"set-user-id of nobody here", law.Kernel{}, user(nil), law.File{SetUID: true, Unmapped: true}, same, []law.Rule{law.SetIDUnmapped}},
	{
		"set-user-id under no_new_privs",
		law.Kernel{},
		user(func(t *law.Task) { t.NoNewPrivs = true }),
		law.File{SetUID: true},
		same,
		[]law.Rule{law.SetIDNoNewPrivs},
	},
	{
		"no_new_privs gains nothing",
		law.Kernel{},
		user(func(t *law.Task) { t.NoNewPrivs = true }), file("cap_net_bind_service=p"),
		same,
		[]law.Rule{law.DowngradeNoNewPrivs},
	},
	{
		"no_new_privs keeps what was permitted",
		law.Kernel{},
		user(func(t *law.Task) { t.NoNewPrivs, t.Permitted = true, bind }),
		file("cap_net_bind_service,cap_net_raw=p"),
		after{permitted: bind, uid: 1000, gid: 1000, secure: true, dumpable: 1, pdeathCleared: true},
		[]law.Rule{law.DowngradeNoNewPrivs},
	},
	{
		"traced",
		law.Kernel{},
		user(func(t *law.Task) { t.Tracer = law.TracerUnprivileged }),
		law.File{SetUID: true},
		after{uid: 1000, gid: 1000, secure: true, dumpable: 1, pdeathCleared: true},
		[]law.Rule{law.DowngradeTraced, law.SetIDUndone},
	},
	{
		"traced by root",
		law.Kernel{},
		user(func(t *law.Task) { t.Tracer, t.Bounding = law.TracerCapable, bind }),
		law.File{SetUID: true},
		after{permitted: bind, effective: bind, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.RootPermitted},
	},
	{
		"sharing the working directory",
		law.Kernel{},
		user(func(t *law.Task) { t.SharedFS = true }), file("cap_net_bind_service=p"),
		same,
		[]law.Rule{law.DowngradeSharedFS},
	},
	{
		"CAP_SETUID keeps the set-id",
		law.Kernel{},
		user(func(t *law.Task) {
			t.SharedFS, t.Permitted, t.Effective = true, capset.Of(capset.Setuid), capset.Of(capset.Setuid)
		}),
		law.File{SetUID: true},
		after{permitted: capset.Of(capset.Setuid), effective: capset.Of(capset.Setuid), gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.DowngradeSharedFS},
	},
	{
		"ids that differed before, by the effective one",
		law.Kernel{},
		user(func(t *law.Task) { t.UID.Effective, t.Permitted, t.Inheritable, t.Ambient = 7, bind, bind, bind }),
		law.File{},
		after{permitted: bind, effective: bind, ambient: bind, uid: 7, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.AmbientKept, law.SecureIDs},
	},
	{
		"ids that differed before, by the real one",
		law.Kernel{SetID: law.SetIDByReal},
		user(func(t *law.Task) { t.UID.Effective, t.Permitted, t.Inheritable, t.Ambient = 7, bind, bind, bind }),
		law.File{},
		after{uid: 7, gid: 1000, secure: true, pdeathCleared: true},
		[]law.Rule{law.AmbientClearedBySetID, law.SecureIDs},
	},
	{
		"a group that differed before, by the real one",
		law.Kernel{SetID: law.SetIDByReal},
		user(func(t *law.Task) { t.GID.Effective, t.Permitted, t.Inheritable, t.Ambient = 7, bind, bind, bind }),
		law.File{},
		after{uid: 1000, gid: 7, secure: true, pdeathCleared: true},
		[]law.Rule{law.AmbientClearedBySetID, law.SecureIDs},
	},
	{
		"traced, set-group-id",
		law.Kernel{},
		user(func(t *law.Task) { t.Tracer = law.TracerUnprivileged }),
		law.File{SetGID: true, GID: 7},
		after{uid: 1000, gid: 1000, secure: true, dumpable: 1, pdeathCleared: true},
		[]law.Rule{law.DowngradeTraced, law.SetIDUndone},
	},
}

func TestExec(t *testing.T) {
	for _, c := range append(execCases, setIDCases...) {
		o := law.Exec(c.kernel, c.task, c.file)
		if got := look(o); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if keeps := c.task.Securebits&cred.KeepCaps != 0; o.Rules.Has(law.KeepCapsCleared) && !keeps {
			t.Errorf("%s: rule %s had a say, and there was nothing to clear", c.name, law.KeepCapsCleared)
		}
		for _, r := range c.rules {
			if !o.Rules.Has(r) {
				t.Errorf("%s: rule %s had no say", c.name, r)
			}
		}
	}
}

// TestExecAlwaysKeeps holds what no rule changes.
func TestExecAlwaysKeeps(t *testing.T) {
	for _, c := range append(execCases, setIDCases...) {
		got, old := law.Exec(c.kernel, c.task, c.file).Task, c.task
		if got.Bounding != old.Bounding || got.Inheritable != old.Inheritable || got.NoNewPrivs != old.NoNewPrivs ||
			got.UID.Real != old.UID.Real || got.GID.Real != old.GID.Real {
			t.Errorf("%s: %+v became %+v", c.name, old, got)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, c := range append(execCases, setIDCases...) {
		if n := testing.AllocsPerRun(10, func() { law.Exec(c.kernel, c.task, c.file) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	for _, c := range bindCases {
		if n := testing.AllocsPerRun(10, func() { law.Bind(c.task, c.network, c.port) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkExec(b *testing.B) {
	b.ReportAllocs()
	task, f := user(func(t *law.Task) { t.NoNewPrivs, t.Groups = true, []uint32{4, 27, 100} }), file("cap_net_bind_service=p")
	for b.Loop() {
		law.Exec(law.Kernel{}, task, f)
	}
}
