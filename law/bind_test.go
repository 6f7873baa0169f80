package law_test

import (
	"testing"

	"github.com/capwise/capwise/law"
)

type bindCase struct {
	name    string
	task    law.Task
	network law.Network
	port    int
	errno   law.Errno
	needs   bool
	rule    law.Rule
}

var (
	capable   = user(func(t *law.Task) { t.Permitted, t.Effective = bind, bind })
	permitted = user(func(t *law.Task) { t.Permitted = bind })
	ordinary  = law.Network{PortStart: law.DefaultPortStart}
)

func ownedBy(o law.Owner) law.Network {
	return law.Network{PortStart: law.DefaultPortStart, Owner: o}
}

var bindCases = []bindCase{
	{"any port", user(nil), ordinary, 0, law.OK, false, law.PortAny},
	{"first open port", user(nil), ordinary, 1024, law.OK, false, law.PortOpen},
	{"last closed port", user(nil), ordinary, 1023, law.EACCES, true, law.PortNotEffective},
	{"sysctl 0", user(nil), law.Network{}, 80, law.OK, false, law.PortOpen},
	{"sysctl 80", user(nil), law.Network{PortStart: 80}, 80, law.OK, false, law.PortOpen},
	{"effective", capable, ordinary, 80, law.OK, true, law.PortEffective},
	{"permitted only", permitted, ordinary, 80, law.EACCES, true, law.PortNotEffective},
	{"permitted and raised", permitted.Raise(bind), ordinary, 80, law.OK, true, law.PortEffective},
	{"not permitted and raised", user(nil).Raise(bind), ordinary, 80, law.EACCES, true, law.PortNotEffective},
	{"root without it", superuser(raw, nil), ordinary, 80, law.EACCES, true, law.PortNotEffective},
	{"another's network", capable, ownedBy(law.OwnerForeign), 80, law.EACCES, true, law.PortForeignNetwork},
	{"another's network, open port", user(nil), ownedBy(law.OwnerForeign), 8080, law.OK, false, law.PortOpen},
	{"network inside", capable, ownedBy(law.OwnerInside), 80, law.OK, true, law.PortEffective},
	{"network inside, not effective", user(nil), ownedBy(law.OwnerInside), 80, law.EACCES, true, law.PortNotEffective},
	{"network inside, made by the user", user(nil), ownedBy(law.OwnerInsideByUser), 80, law.OK, true, law.PortNetworkMaker},
}

func TestBind(t *testing.T) {
	for _, c := range bindCases {
		if got := law.Bind(c.task, c.network, c.port); got.Errno != c.errno || got.Needs != c.needs || got.Rules != 1<<c.rule {
			t.Errorf("%s: got %+v, want %v, %t and rule %s", c.name, got, c.errno, c.needs, c.rule)
		}
	}
}

func BenchmarkBind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		law.Bind(capable, ordinary, 443)
	}
}
