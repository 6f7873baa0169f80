package launch

import (
	"math/rand/v2"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

func TestAdd(t *testing.T) {
	var c Caps
	for _, text := range []string{"net_bind_service", "CAP_NET_RAW=require", "12=never", "cap_chown=prefer", "sys_admin=require"} {
		if err := c.Add(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	want := Caps{
		Prefer:  capset.Of(capset.NetBindService, capset.Chown),
		Require: capset.Of(capset.NetRaw, capset.SysAdmin),
		Never:   capset.Of(capset.NetAdmin),
	}
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	for _, text := range []string{"", "=", "nothing", "net_raw=", "kill=maybe", "net_raw", "NET_RAW=never", "64"} {
		before := c
		if err := c.Add(text); err == nil || c != before {
			t.Errorf("Add(%q) = %v, and makes %+v", text, err, c)
		}
	}
}

// TestPlan holds the plan against the law, which was compared with the kernel.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	// Few capabilities, so that they meet.
	random := func() capset.Set { return capset.Set(r.Uint64() & r.Uint64() & 0x3ff) }
	for range 100_000 {
		p, i := capset.Set(r.Uint64()&0x3ff), random()
		s := state{sets: sets{p, p & random(), i, p & i & random()}, bounding: random(), noRaise: r.IntN(4) == 0}
		c := Caps{Prefer: random()}
		c.Require = random() & capset.Set(r.Uint64()) &^ c.Prefer
		c.Never = random() &^ (c.Prefer | c.Require)

		task := law.Task{Sets: cred.Sets{Permitted: s.permitted, Effective: s.effective, Inheritable: s.inheritable, Ambient: s.ambient, Bounding: s.bounding}}
		if s.noRaise {
			task.Securebits = cred.NoCapAmbientRaise
		}
		after := task.MakeAmbient(c.Prefer | c.Require)
		want := sets{
			after.Permitted &^ c.Never, after.Effective &^ c.Never,
			after.Inheritable &^ c.Never, after.Ambient &^ c.Never,
		}
		got, err := c.plan(s)
		if missing := c.Require &^ after.Ambient; missing != 0 && err == nil {
			t.Fatalf("%+v of %+v: no error, though %s cannot be had", c, s, missing)
		} else if missing == 0 && (err != nil || got != want) {
			t.Fatalf("%+v of %+v: got %+v, %v; want %+v", c, s, got, err, want)
		}
	}
}
