package kernelcheck

import (
	"fmt"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// Model is the law under test, one function for each system call. The checker's
// own test passes wrong ones and expects mismatches.
type Model struct {
	Exec        func(law.Kernel, law.Task, law.File) law.Outcome
	Bind        func(law.Task, law.Network, int) law.Binding
	SetUIDs     func(t law.Task, ruid, euid, suid uint32) (law.Task, law.Rules)
	MakeAmbient func(law.Task, capset.Set) law.Task
	EnterUserns func(t law.Task, uid, gid uint32, known capset.Set) law.Task
}

// Law returns the package law.
func Law() Model {
	return Model{
		Exec: law.Exec, Bind: law.Bind, SetUIDs: law.Task.SetUIDs,
		MakeAmbient: law.Task.MakeAmbient, EnterUserns: law.Task.EnterUserNamespace,
	}
}

// start is a legal starting point, as the kernel reported it.
type start struct {
	kernel law.Kernel
	room   *room
	task   law.Task
	before state
}

// result is what a case comes to, for the kernel or for the law.
type result struct {
	errno                       syscall.Errno
	creds                       creds
	secure, dumpable, pdeathsig uint32
}

// trial is what is done from a starting point.
type trial interface {
	arg() arg
	// predict is what the law says.
	predict(Model, start) (result, law.Rules)
	// observe takes from the kernel's answer what predict predicts; false if the
	// kernel did not let it be done.
	observe(reply) (result, bool)
	fmt.Stringer
}

var errnos = map[law.Errno]syscall.Errno{
	law.OK: 0, law.EPERM: syscall.EPERM, law.EACCES: syscall.EACCES, law.EINVAL: syscall.EINVAL,
}

// execution executes a program that lies on the shelf at path.
type execution struct {
	program
	path string
}

func (e execution) arg() (a arg) {
	copy(a[:len(a)-1], e.path)
	return a
}

func (e execution) predict(m Model, s start) (result, law.Rules) {
	o := m.Exec(s.kernel, s.task, e.seen(*s.room))
	r := result{errno: errnos[o.Errno], creds: credsOf(o.Task)}
	if o.Errno != law.OK {
		return r, o.Rules
	}
	r.dumpable = uint32(o.Dumpable)
	if o.Secure {
		r.secure = 1
	}
	if !o.PdeathCleared {
		r.pdeathsig = s.before.Pdeathsig
	}
	return r, o.Rules
}

func (e execution) observe(r reply) (result, bool) {
	if r.Errno != 0 {
		return withoutExec(r), true
	}
	a := r.After
	return result{creds: a.Creds, secure: a.Secure, dumpable: a.Dumpable, pdeathsig: a.Pdeathsig}, true
}

// withoutExec is the result of what leaves the program what it was.
func withoutExec(r reply) result {
	return result{errno: syscall.Errno(r.Errno), creds: r.After.Creds}
}

// uidChange is setresuid(2).
type uidChange [3]uint32

func (u uidChange) arg() arg { return numbers(u[:]...) }

func (u uidChange) predict(m Model, s start) (result, law.Rules) {
	t, rules := m.SetUIDs(s.task, u[0], u[1], u[2])
	return result{creds: credsOf(t)}, rules
}

// observe: whether a task may change its ids so is not for the law to say.
func (u uidChange) observe(r reply) (result, bool) { return withoutExec(r), r.Errno == 0 }

func (u uidChange) String() string { return fmt.Sprintf("setresuid(%d, %d, %d)", u[0], u[1], u[2]) }

// binding is bind(2) to the wildcard address.
type binding struct {
	family, kind uint32
	port         int
}

func (b binding) arg() arg { return numbers(b.family, b.kind, uint32(b.port)) }

func (b binding) predict(m Model, s start) (result, law.Rules) {
	n := s.room.network
	if s.room.networkFor != nil {
		n.Owner = s.room.networkFor(s.before.Creds)
	}
	o := m.Bind(s.task, n, b.port)
	return result{errno: errnos[o.Errno], creds: s.before.Creds}, o.Rules
}

func (b binding) observe(r reply) (result, bool) { return withoutExec(r), true }

func (b binding) String() string {
	return fmt.Sprintf("bind port %d, family %d, type %d", b.port, b.family, b.kind)
}

// ambience makes ambient what of the set can be.
type ambience capset.Set

func (a ambience) arg() arg { return numbers(uint32(a), uint32(a>>32)) }

func (a ambience) predict(m Model, s start) (result, law.Rules) {
	return result{creds: credsOf(m.MakeAmbient(s.task, capset.Set(a)))}, 0
}

func (a ambience) observe(r reply) (result, bool) { return withoutExec(r), r.Errno == 0 }

func (a ambience) String() string { return "make ambient " + capset.Set(a).String() }

// entering is unshare(2) of the user namespace, before any id has a mapping.
type entering struct{}

// unmapped is what the kernel shows for an id without a mapping.
const unmapped = 65534

func (entering) arg() arg { return arg{} }

func (entering) predict(m Model, s start) (result, law.Rules) {
	t := m.EnterUserns(s.task, unmapped, unmapped, known(s.before))
	t.Groups = nil
	return result{creds: credsOf(t)}, 0
}

// observe leaves out the supplementary groups, which stay and have no number.
func (entering) observe(r reply) (result, bool) {
	r.After.Creds.NGroups, r.After.Creds.Groups = 0, [3]uint32{}
	return withoutExec(r), r.Errno == 0
}

func (entering) String() string { return "enter a user namespace" }
