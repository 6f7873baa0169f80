package kernelcheck

import (
	"math"
	"math/rand/v2"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
)

// sweep is a part of the input space: each starting point with each trial.
type sweep struct {
	name   string
	room   room
	op     op
	starts space
	trials []trial
	weight float64 // the share of random cases that are drawn from it
}

// cases is the number of cases, legal and illegal ones.
func (s sweep) cases() int { return s.starts.size() * len(s.trials) }

// sweeps lists all parts of the check, and makes their files.
func (c *checker) sweeps() ([]sweep, error) {
	all := append(bindSweeps(), callSweeps()...)
	executions := execSweeps()
	if c.Random > 0 {
		executions = append(executions, c.everythingSweeps()...)
	}
	for _, e := range executions {
		for _, p := range e.programs {
			path, err := c.shelf.put(p)
			if err != nil {
				return nil, err
			}
			e.trials = append(e.trials, execution{p, path})
		}
		all = append(all, e.sweep)
	}
	weigh(all)
	return all, nil
}

// weigh gives half of the weight to the sweeps that have one, and shares out
// the other half by size.
func weigh(all []sweep) {
	total, given := 0.0, 0.0
	for _, s := range all {
		given += s.weight
		if s.weight == 0 {
			total += math.Sqrt(float64(s.cases()))
		}
	}
	for i, s := range all {
		if s.weight == 0 {
			all[i].weight = (1 - given) * math.Sqrt(float64(s.cases())) / total
		}
	}
}

// execSweep is a sweep of execve(2) before its files are made.
type execSweep struct {
	sweep
	programs []program
}

var (
	noRootBit = uint32(cred.NoRoot)
	// The four flags, each with and without its lock.
	everySecurebit = masks(1<<0, 1<<1, 1<<2, 1<<3, 1<<4, 1<<5, 1<<6, 1<<7)
	everyFlag      = masks(1<<0, 1<<2, 1<<4, 1<<6)
	rootOrUser     = combinations(root, user)
	anyUser        = combinations(root, user, other)
	anyGroup       = [][4]uint32{
		{group, group, group, group},
		{group, extra, group, extra},
		{extra, group, group, group},
		{group, group, extra, group},
		{root, root, root, root},
	}
	anyTracer = []law.Tracer{law.NoTracer, law.TracerCapable, law.TracerUnprivileged}
	anySetuid = []setuid{setuidNone, setuidPermitted, setuidEffective}
)

func execSweeps() []execSweep {
	var all []execSweep
	for _, r := range []room{inInitial, inChild, inGrandchild} {
		all = append(all, fileSweep(r), unsafeSweep(r))
	}
	return append(all, twoCapsSweep(inInitial), idSweep(inInitial), fsIDSweep(inInitial), idSweep(inChild),
		securebitSweep(inInitial), modeSweep(inInitial), unknownSweep(inInitial))
}

// everythingSweeps is the product of all choices, in each user namespace, with
// some of its files: there would be too many.
func (c *checker) everythingSweeps() []execSweep {
	const files = 500
	random := rand.New(rand.NewPCG(c.Seed, 1<<32))
	var all []execSweep
	for _, r := range []room{inInitial, inChild, inGrandchild} {
		programs := programs(r.namespace, everyRevision(first, second),
			[]owner{plain, setRoot, setUser, setOther, setGroup, setExtra, setGuest, setRootAndGuest, setStranger, setStrangerGroup}, both, both)
		programs = append(programs, with(programs, func(f *file) { f.unreadable = true })...)
		random.Shuffle(len(programs), func(i, j int) { programs[i], programs[j] = programs[j], programs[i] })
		e := r.exec("everything", space{
			caps: []capset.Cap{first, second}, setuid: anySetuid,
			uids: withFS(anyUser, root, user, other), gids: withFS(anyGroup, group, extra, root),
			groups: [][]uint32{nil, {extra}, {guest}, {extra, guest}}, securebits: everySecurebit, noNewPrivs: both,
			tracers: anyTracer, sharedFS: both,
		}, programs[:min(files, len(programs))])
		e.weight = 1.0 / 6
		all = append(all, e)
	}
	return all
}

func (r room) exec(name string, starts space, programs []program) execSweep {
	return execSweep{sweep{name: name + ", " + r.name, room: r, op: opExecute, starts: starts}, programs}
}

// fileSweep goes through all kinds of files, with one capability.
func fileSweep(r room) execSweep {
	owners := []owner{plain, setRoot, setOther, setGuest, setRootAndGuest}
	if r.namespace != initial {
		owners = append(owners, setStranger, setStrangerGroup)
	}
	return r.exec("files", space{
		caps: []capset.Cap{first}, uids: rootOrUser, securebits: []uint32{0, noRootBit}, noNewPrivs: both,
	}, programs(r.namespace, everyRevision(first), owners, both, both))
}

// twoCapsSweep goes through two capabilities and what a file says about them.
func twoCapsSweep(r room) execSweep {
	caps := append([]filecap.Caps{noCaps}, attributes(filecap.V2, 0, first, second)...)
	for _, rootID := range []uint32{r.namespace.first, noRoot} {
		caps = append(caps, attributes(filecap.V3, rootID, first, second)...)
	}
	return r.exec("two capabilities", space{
		caps: []capset.Cap{first, second}, uids: rootOrUser, securebits: []uint32{0, noRootBit}, noNewPrivs: both,
	}, programs(r.namespace, caps, []owner{plain, setRoot, setOther, setGuest}, both, []bool{false}))
}

// unsafeSweep goes through what makes an execve(2) unsafe.
func unsafeSweep(r room) execSweep {
	return r.exec("traced or sharing", space{
		caps: []capset.Cap{first}, setuid: anySetuid, uids: rootOrUser,
		securebits: []uint32{0, noRootBit}, noNewPrivs: both, tracers: anyTracer, sharedFS: both,
	}, programs(r.namespace, typical(), []owner{plain, setRoot, setOther, setRootAndGuest}, []bool{false}, []bool{false}))
}

// idSweep goes through the ids that a task and a file can have.
func idSweep(r room) execSweep {
	caps := typical()
	return r.exec("ids", space{
		caps: []capset.Cap{first}, setuid: []setuid{setuidNone, setuidEffective},
		uids: anyUser, gids: anyGroup, groups: [][]uint32{nil, {extra}, {extra, guest}}, noNewPrivs: both,
	}, programs(r.namespace, []filecap.Caps{caps[0], caps[2], caps[3]},
		[]owner{plain, setRoot, setUser, setOther, setGroup, setExtra, setGuest, setRootAndGuest}, []bool{false}, []bool{false}))
}

// fsIDSweep goes through file system ids that differ from the effective ones.
func fsIDSweep(r room) execSweep {
	return r.exec("file system ids", space{
		caps: []capset.Cap{first}, uids: withFS(rootOrUser, root, user), gids: withFS(anyGroup, group, extra),
		groups: [][]uint32{nil, {extra}}, noNewPrivs: both,
	}, programs(r.namespace, typical()[:4], []owner{plain, setRoot, setOther, setExtra, setGuest}, []bool{false}, []bool{false}))
}

// securebitSweep goes through all securebits and their locks.
func securebitSweep(r room) execSweep {
	return r.exec("securebits", space{
		caps: []capset.Cap{first}, uids: rootOrUser, securebits: everySecurebit,
	}, programs(r.namespace, typical()[:4], []owner{plain, setRoot}, []bool{false}, []bool{false}))
}

// modeSweep goes through files that cannot be read, and set-group-id bits that
// mean something else.
func modeSweep(r room) execSweep {
	all := programs(r.namespace, typical(), []owner{plain, setRoot, setGuest, setRootAndGuest}, both, both)
	unreadable := with(all, func(f *file) { f.unreadable = true })
	locking := with(all, func(f *file) { f.noGroupExec = true })
	return r.exec("modes", space{
		caps: []capset.Cap{first}, uids: rootOrUser, gids: anyGroup[:2], noNewPrivs: both,
	}, append(unreadable, locking...))
}

// unknownSweep goes through capabilities that no kernel knows yet.
func unknownSweep(r room) execSweep {
	var caps []filecap.Caps
	for _, c := range attributes(filecap.V2, 0, first) {
		c.Permitted |= capset.Of(capset.MaxCap)
		caps = append(caps, c)
		c.Permitted, c.Inheritable = c.Permitted&^capset.Of(capset.MaxCap), c.Inheritable|capset.Of(capset.MaxCap)
		caps = append(caps, c)
	}
	return r.exec("unknown capabilities", space{
		caps: []capset.Cap{first}, uids: rootOrUser,
	}, programs(r.namespace, caps, []owner{plain}, []bool{false}, []bool{false}))
}

// callSweeps lists the sweeps of the other system calls.
func callSweeps() []sweep {
	var changes []trial
	for _, c := range anyUser {
		if c[3] == c[1] {
			changes = append(changes, uidChange{c[0], c[1], c[2]})
		}
	}
	ambient := []trial{ambience(0), ambience(capset.Of(first)), ambience(capset.Of(second)), ambience(universe)}
	var all []sweep
	for _, r := range []room{inInitial, inChild} {
		all = append(all,
			sweep{"setresuid, " + r.name, r, opSetresuid, space{
				caps: []capset.Cap{first}, setuid: anySetuid, uids: anyUser, securebits: everyFlag,
			}, changes, 0},
			sweep{"make ambient, " + r.name, r, opMakeAmbient, space{
				caps: []capset.Cap{first, second}, uids: rootOrUser[:1], securebits: everyFlag, noNewPrivs: both,
			}, ambient, 0},
			sweep{"enter a user namespace, " + r.name, r, opEnterUserns, space{
				caps: []capset.Cap{first}, uids: [][4]uint32{{}, {user, user, user, user}}, securebits: everyFlag, noNewPrivs: both,
			}, []trial{entering{}}, 0})
	}
	return all
}

// ports lists binds to ports around the one where unprivileged ones start.
func ports(start int) []trial {
	var all []trial
	for _, family := range []uint32{syscall.AF_INET, syscall.AF_INET6} {
		for _, kind := range []uint32{syscall.SOCK_STREAM, syscall.SOCK_DGRAM} {
			for _, port := range []int{0, 1, 80, start - 1, start, start + 1, 65535} {
				if port >= 0 && port <= 65535 {
					all = append(all, binding{family, kind, port})
				}
			}
		}
	}
	return all
}
