package law_test

import (
	"slices"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

type setuidCase struct {
	name                          string
	task                          law.Task
	uids                          [3]uint32
	permitted, effective, ambient capset.Set
	rules                         []law.Rule
}

// ambientRoot is root with an ambient capability.
func ambientRoot(b cred.Securebits) law.Task {
	return superuser(bind|raw, func(t *law.Task) { t.Inheritable, t.Ambient, t.Securebits = bind, bind, b })
}

var setuidCases = []setuidCase{
	{"root to a user", ambientRoot(0), [3]uint32{1000, 1000, 1000}, 0, 0, 0, []law.Rule{law.SetuidDropsAll, law.SetuidDropsAmbient, law.SetuidDropsEffective}},
	{"root to a user, keeping", ambientRoot(cred.KeepCaps), [3]uint32{1000, 1000, 1000}, bind | raw, 0, 0, []law.Rule{law.SetuidKeepCaps, law.SetuidDropsAmbient, law.SetuidDropsEffective}},
	{"root to a user, no fixup", ambientRoot(cred.NoSetuidFixup), [3]uint32{1000, 1000, 1000}, bind | raw, bind | raw, bind, []law.Rule{law.SetuidNoFixup}},
	{"effective user only", ambientRoot(0), [3]uint32{0, 1000, 0}, bind | raw, 0, bind, []law.Rule{law.SetuidDropsEffective}},
	{"real user only", ambientRoot(0), [3]uint32{1000, 0, 0}, bind | raw, bind | raw, bind, nil},
	{"back to root", user(func(t *law.Task) { t.Permitted, t.UID.Saved = bind, 0 }), [3]uint32{1000, 0, 0}, bind, bind, 0, []law.Rule{law.SetuidRaisesEffective}},
	{"user to user", user(func(t *law.Task) { t.Permitted, t.Effective = bind, bind }), [3]uint32{7, 7, 7}, bind, bind, 0, nil},
}

func TestSetUIDs(t *testing.T) {
	for _, c := range setuidCases {
		got, rules := c.task.SetUIDs(c.uids[0], c.uids[1], c.uids[2])
		if got.Permitted != c.permitted || got.Effective != c.effective || got.Ambient != c.ambient {
			t.Errorf("%s: P=%v E=%v A=%v, want %v, %v and %v", c.name, got.Permitted, got.Effective, got.Ambient, c.permitted, c.effective, c.ambient)
		}
		if want := (cred.IDs{Real: c.uids[0], Effective: c.uids[1], Saved: c.uids[2], FileSystem: c.uids[1]}); got.UID != want {
			t.Errorf("%s: ids %v, want %v", c.name, got.UID, want)
		}
		if all := slices.Collect(rules.All()); !slices.Equal(all, c.rules) {
			t.Errorf("%s: rules %v, want %v", c.name, all, c.rules)
		}
	}
}

func TestMakeAmbient(t *testing.T) {
	for _, c := range []struct {
		name string
		task law.Task
		want capset.Set
	}{
		{"permitted", user(func(t *law.Task) { t.Permitted = bind }), bind},
		{"not permitted", user(nil), 0},
		{"not in X", user(func(t *law.Task) { t.Permitted, t.Bounding = bind, raw }), 0},
		{"not in X and inheritable already", user(func(t *law.Task) { t.Permitted, t.Inheritable, t.Bounding = bind, bind, raw }), bind},
		{"forbidden by a securebit", user(func(t *law.Task) { t.Permitted, t.Securebits = bind, cred.NoCapAmbientRaise }), 0},
	} {
		if got := c.task.MakeAmbient(bind | raw); got.Ambient != c.want || got.Inheritable != c.want|c.task.Inheritable {
			t.Errorf("%s: A=%v I=%v, want %v", c.name, got.Ambient, got.Inheritable, c.want)
		}
	}
}

func TestEnterUserNamespace(t *testing.T) {
	before := user(func(t *law.Task) { t.Bounding, t.Inheritable, t.NoNewPrivs = raw, bind, true })
	got := before.EnterUserNamespace(0, 5, all)
	if want := (cred.Sets{Permitted: all, Effective: all, Bounding: all}); got.Sets != want || !got.NoNewPrivs || got.UID.Real != 0 || got.GID.Effective != 5 {
		t.Errorf("got %+v", got)
	}
}
