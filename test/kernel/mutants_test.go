package kernelcheck_test

import (
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
	kernelcheck "github.com/capwise/capwise/test/kernel"
)

// mutant is a law that is wrong in one way.
type mutant struct {
	name  string
	model kernelcheck.Model
}

// TestMutants holds that the check can fail: each wrong law is found out by
// some of the cases of a quick sample.
func TestMutants(t *testing.T) {
	all := append(append(forgetful(), mistaken()...), others()...)
	models := make([]kernelcheck.Model, len(all))
	for i, m := range all {
		models[i] = m.model
	}
	r := check(t, 40_000, 2, models...)
	if r.Mismatches != 0 {
		t.Errorf("%d mismatches with the law itself", r.Mismatches)
	}
	for i, m := range all {
		t.Logf("%6d mismatches: %s", r.MutantMismatches[i], m.name)
		if r.MutantMismatches[i] == 0 {
			t.Errorf("no case tells the law from one with this change: %s", m.name)
		}
	}
}

// forgetting returns the law of a kernel that does not look at something.
func forgetting(name string, forget func(*law.Kernel, *law.Task, *law.File)) mutant {
	m := kernelcheck.Law()
	m.Exec = func(k law.Kernel, t law.Task, f law.File) law.Outcome {
		seen := t
		forget(&k, &seen, &f)
		o := law.Exec(k, seen, f)
		if o.Errno != law.OK {
			o.Task = t
		}
		// What execve(2) leaves alone was not forgotten.
		o.Task.Bounding, o.Task.Inheritable = t.Bounding, t.Inheritable
		o.Task.NoNewPrivs, o.Task.Groups = t.NoNewPrivs, t.Groups
		o.Task.Securebits |= t.Securebits & cred.NoRoot
		return o
	}
	return mutant{name, m}
}

func forgettingTask(name string, forget func(*law.Task)) mutant {
	return forgetting(name, func(_ *law.Kernel, t *law.Task, _ *law.File) { forget(t) })
}

func forgettingFile(name string, forget func(*law.File)) mutant {
	return forgetting(name, func(_ *law.Kernel, _ *law.Task, f *law.File) { forget(f) })
}

// forgetful lists one mutant for each thing that the law of execve(2) looks at.
func forgetful() []mutant {
	return []mutant{
		forgetting("the other set-id rule", func(k *law.Kernel, _ *law.Task, _ *law.File) { k.SetID = 1 - k.SetID }),
		forgetting("another fs.suid_dumpable", func(k *law.Kernel, _ *law.Task, _ *law.File) { k.SuidDumpable = (k.SuidDumpable + 1) % 3 }),
		forgetting("capabilities without a name count", func(k *law.Kernel, _ *law.Task, _ *law.File) { k.Known = ^capset.Set(0) }),
		forgettingTask("X", func(t *law.Task) { t.Bounding = capset.All }),
		forgettingTask("P", func(t *law.Task) { t.Permitted = 0 }),
		forgettingTask("I", func(t *law.Task) { t.Inheritable = 0 }),
		forgettingTask("A", func(t *law.Task) { t.Ambient = 0 }),
		forgettingTask("CAP_SETUID", func(t *law.Task) { t.Effective = 0 }),
		forgettingTask("no_new_privs", func(t *law.Task) { t.NoNewPrivs = false }),
		forgettingTask("noroot", func(t *law.Task) { t.Securebits &^= cred.NoRoot }),
		forgettingTask("tracers", func(t *law.Task) { t.Tracer = law.NoTracer }),
		forgettingTask("a tracer's capability", func(t *law.Task) {
			if t.Tracer == law.TracerCapable {
				t.Tracer = law.TracerUnprivileged
			}
		}),
		forgettingTask("CLONE_FS", func(t *law.Task) { t.SharedFS = false }),
		forgettingTask("supplementary groups", func(t *law.Task) { t.Groups = nil }),
		forgettingTask("file system user id", func(t *law.Task) { t.UID.FileSystem = t.UID.Effective }),
		forgettingTask("file system group id", func(t *law.Task) { t.GID.FileSystem = t.GID.Effective }),
		forgettingFile("set-user-id", func(f *law.File) { f.SetUID = false }),
		forgettingFile("set-group-id", func(f *law.File) { f.SetGID = false }),
		forgettingFile("nosuid", func(f *law.File) { f.Nosuid = false }),
		forgettingFile("root id", func(f *law.File) { f.Foreign = false }),
		forgettingFile("owners outside the namespace", func(f *law.File) { f.Unmapped = false }),
		forgettingFile("unreadable", func(f *law.File) { f.Unreadable = false }),
		forgettingFile("F.e", func(f *law.File) { f.Caps.Effective = false }),
		forgettingFile("F.p", func(f *law.File) { f.Caps.Permitted = 0 }),
		forgettingFile("F.i", func(f *law.File) { f.Caps.Inheritable = 0 }),
		forgettingFile("empty attributes", func(f *law.File) {
			if f.Caps.Permitted|f.Caps.Inheritable == 0 {
				f.Caps.Revision = 0
			}
		}),
	}
}

// mistaken lists mutants with another outcome of execve(2).
func mistaken() []mutant {
	mistake := func(name string, change func(before law.Task, o *law.Outcome)) mutant {
		m := kernelcheck.Law()
		m.Exec = func(k law.Kernel, t law.Task, f law.File) law.Outcome {
			o := law.Exec(k, t, f)
			change(t, &o)
			return o
		}
		return mutant{name, m}
	}
	return []mutant{
		mistake("AT_SECURE never", func(_ law.Task, o *law.Outcome) { o.Secure = false }),
		mistake("parent-death signal stays", func(_ law.Task, o *law.Outcome) { o.PdeathCleared = false }),
		mistake("another errno", func(_ law.Task, o *law.Outcome) {
			if o.Errno == law.EPERM {
				o.Errno = law.EACCES
			}
		}),
		mistake("keep_caps stays", func(t law.Task, o *law.Outcome) { o.Task.Securebits = t.Securebits }),
		mistake("saved user id stays", func(t law.Task, o *law.Outcome) { o.Task.UID.Saved = t.UID.Saved }),
		mistake("saved group id stays", func(t law.Task, o *law.Outcome) { o.Task.GID.Saved = t.GID.Saved }),
		mistake("file system ids stay", func(t law.Task, o *law.Outcome) {
			o.Task.UID.FileSystem, o.Task.GID.FileSystem = t.UID.FileSystem, t.GID.FileSystem
		}),
		mistake("A is limited by X", func(t law.Task, o *law.Outcome) { o.Task.Ambient &= t.Bounding }),
		mistake("E without A", func(_ law.Task, o *law.Outcome) { o.Task.Effective &^= o.Task.Ambient }),
	}
}

// others lists mutants of the other system calls.
func others() []mutant {
	withBind := func(bind func(law.Task, law.Network, int) law.Binding) kernelcheck.Model {
		m := kernelcheck.Law()
		m.Bind = bind
		return m
	}
	withSetUIDs := func(mistake func(*law.Task)) kernelcheck.Model {
		m := kernelcheck.Law()
		m.SetUIDs = func(t law.Task, ruid, euid, suid uint32) (law.Task, law.Rules) {
			before := t.Securebits
			mistake(&t)
			t, rules := t.SetUIDs(ruid, euid, suid)
			t.Securebits = before
			return t, rules
		}
		return m
	}
	withAmbient := func(mistake func(*law.Task)) kernelcheck.Model {
		m := kernelcheck.Law()
		m.MakeAmbient = func(t law.Task, s capset.Set) law.Task {
			seen := t
			mistake(&seen)
			seen = seen.MakeAmbient(s)
			t.Inheritable, t.Ambient = seen.Inheritable, seen.Ambient
			return t
		}
		return m
	}
	withEnter := func(mistake func(before law.Task, after *law.Task)) kernelcheck.Model {
		m := kernelcheck.Law()
		m.EnterUserns = func(t law.Task, uid, gid uint32, known capset.Set) law.Task {
			after := t.EnterUserNamespace(uid, gid, known)
			mistake(t, &after)
			return after
		}
		return m
	}
	return []mutant{
		{"any port", withBind(func(law.Task, law.Network, int) law.Binding { return law.Binding{} })},
		{"one port too many", withBind(func(t law.Task, n law.Network, p int) law.Binding { return law.Bind(t, n, max(p-1, 0)) })},
		{"owners of networks", withBind(func(t law.Task, n law.Network, p int) law.Binding {
			n.Owner = law.OwnerSelf
			return law.Bind(t, n, p)
		})},
		{"makers of user namespaces", withBind(func(t law.Task, n law.Network, p int) law.Binding {
			if n.Owner == law.OwnerInsideByUser {
				n.Owner = law.OwnerInside
			}
			return law.Bind(t, n, p)
		})},
		{"setresuid always keeps", withSetUIDs(func(t *law.Task) { t.Securebits |= cred.KeepCaps })},
		{"setresuid never keeps", withSetUIDs(func(t *law.Task) { t.Securebits &^= cred.KeepCaps })},
		{"setresuid always fixes up", withSetUIDs(func(t *law.Task) { t.Securebits &^= cred.NoSetuidFixup })},
		{"setresuid by the effective id alone", withSetUIDs(func(t *law.Task) { t.UID.Real, t.UID.Saved = t.UID.Effective, t.UID.Effective })},
		{"ambient without P", withAmbient(func(t *law.Task) { t.Permitted = capset.All })},
		{"ambient without X", withAmbient(func(t *law.Task) { t.Bounding = capset.All })},
		{"ambient against the securebit", withAmbient(func(t *law.Task) { t.Securebits = 0 })},
		{"user namespace keeps X", withEnter(func(before law.Task, after *law.Task) { after.Bounding = before.Bounding })},
		{"user namespace keeps I", withEnter(func(before law.Task, after *law.Task) { after.Inheritable = before.Inheritable })},
		{"user namespace keeps A", withEnter(func(before law.Task, after *law.Task) { after.Ambient = before.Ambient })},
		{"user namespace keeps securebits", withEnter(func(before law.Task, after *law.Task) { after.Securebits = before.Securebits })},
		{"user namespace clears no_new_privs", withEnter(func(_ law.Task, after *law.Task) { after.NoNewPrivs = false })},
	}
}
