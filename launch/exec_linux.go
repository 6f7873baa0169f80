package launch

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/internal/sys"
)

// Exec does with the capabilities of the calling thread what caps says, and
// replaces the process by the program at path, execve(2). It returns only if
// that fails, and then an [*Error]; the thread may have become more or less
// privileged by then, and is never used again.
//
// The program finds everything as the process was started with it: environment,
// signals, limits and descriptors. In a binary that was built without the tag
// capwise_exact, signals that were ignored then are not ignored any more, and a
// variable that was there twice is there once. The parent-death signal of
// prctl(2) stays only if the caller is the first thread.
//
// Exec refuses where the process itself got capabilities from its file, or its
// ids: any user may start that file, and would give them to any program.
func Exec(path string, args []string, caps Caps) error {
	runtime.LockOSThread()
	before, err := current()
	if err != nil {
		return failed("", err)
	}
	if before.gained() {
		return failed("", errors.New("this copy of capwise carries file capabilities or a set-id bit, and would give them to any program; use a pinned launcher (capwise fix --mode launcher)"))
	}
	after, err := caps.plan(before)
	if err != nil {
		return failed("", err)
	}
	return become(path, args, sys.Environ(), before.sets, after)
}

// become brings the thread from one state to the other, holds that it is there,
// and executes the program.
func become(path string, args, env []string, before, after sets) error {
	if err := change(before, after); err != nil {
		return failed("", err)
	}
	if err := sys.RestoreSignals(); err != nil {
		return failed("", err)
	}
	return notExecuted(path, syscall.Exec(path, args, env)) // which restores RLIMIT_NOFILE
}

// change makes the thread's sets what after says, and holds that they are.
func change(before, after sets) error {
	if after == before {
		return nil
	}
	// The kernel takes out of the ambient set what is given up here.
	err := sys.Capset(sys.Sets{
		Permitted: uint64(after.permitted), Effective: uint64(after.effective), Inheritable: uint64(after.inheritable),
	})
	if err != nil {
		return errors.New("capset: " + err.Error())
	}
	for c := range (after.ambient &^ before.ambient).Caps() {
		if err := sys.RaiseAmbient(uint8(c)); err != nil {
			return errors.New("making " + c.String() + " ambient: " + err.Error())
		}
	}
	is, err := currentSets()
	if err == nil && is != after {
		err = errors.New("the kernel did not set the capabilities that it was asked for")
	}
	return err
}

// current asks the kernel about the calling thread.
func current() (state, error) {
	const noRoot, noCapAmbientRaise = 1 << 0, 1 << 6 // of securebits
	bits, err := sys.Securebits()
	if err != nil {
		return state{}, errors.New("securebits: " + err.Error())
	}
	s := state{noRaise: bits&noCapAmbientRaise != 0, noRoot: bits&noRoot != 0}
	if err := s.protection(); err != nil {
		return s, err
	}
	if s.sets, err = currentSets(); err != nil {
		return s, err
	}
	if s.bounding, err = having(s.permitted&^s.inheritable, sys.InBoundingSet); err != nil {
		return s, errors.New("bounding set: " + err.Error())
	}
	return s, nil
}

// protection asks whether the kernel protects the process, and for no_new_privs.
func (s *state) protection() error {
	const ordinary = 1 // SUID_DUMP_USER of <linux/sched/coredump.h>
	dumpable, err := sys.Dumpable()
	if err != nil {
		return errors.New("dumpable: " + err.Error())
	}
	s.protected = dumpable != ordinary
	if s.noNewPrivs, err = sys.NoNewPrivs(); err != nil {
		return errors.New("no_new_privs: " + err.Error())
	}
	return nil
}

func currentSets() (sets, error) {
	k, err := sys.Capget()
	if err != nil {
		return sets{}, errors.New("capget: " + err.Error())
	}
	s := sets{capset.Set(k.Permitted), capset.Set(k.Effective), capset.Set(k.Inheritable), 0}
	if s.ambient, err = having(s.permitted&s.inheritable, sys.InAmbientSet); err != nil {
		return sets{}, errors.New("ambient set: " + err.Error())
	}
	return s, nil
}

// having returns those capabilities of a set for which the kernel says yes.
func having(of capset.Set, has func(uint8) (bool, error)) (capset.Set, error) {
	var found capset.Set
	for c := range of.Caps() {
		ok, err := has(uint8(c))
		if err != nil {
			return 0, err
		}
		if ok {
			found |= capset.Of(c)
		}
	}
	return found, nil
}

// gained reports whether the process has its ids or capabilities from its own
// file. It is what the kernel's AT_SECURE says, cap_bprm_creds_from_file of
// security/commoncap.c: without file capabilities, the permitted set of a user
// other than root, and of a root that is like any other, is the ambient one.
func (s state) gained() bool {
	uid, gid := syscall.Getuid(), syscall.Getgid()
	return uid != syscall.Geteuid() || gid != syscall.Getegid() || (uid != 0 || s.noRoot) && !s.ambient.Contains(s.permitted)
}
