package diagnose

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// changeUser makes a change of the user, and reports whether it is allowed. Each of
// the programs that do it ends where it is not (docs/runtimes.md has what was seen).
func (j *Judgement) changeUser(s *scenario.Switch) bool {
	if missing := switchNeeds(&j.Task, s) &^ j.Task.Effective; missing != 0 {
		j.Exec.Errno, j.Exec.Cause = law.EPERM, CannotChangeUser
		j.Exec.Reason = fmt.Sprintf("%s cannot change to %s: %s not effective", s.By, userOf(s), list(missing))
		return false
	}
	if s.RootOnly && j.Task.UID.Real != 0 {
		j.Exec.Errno, j.Exec.Cause = law.EPERM, CannotChangeUser
		j.Exec.Reason = fmt.Sprintf("%s refuses anybody but root", s.By)
		return false
	}
	if s.GID != nil {
		j.Task.GID = cred.IDs{Real: *s.GID, Effective: *s.GID, Saved: *s.GID, FileSystem: *s.GID}
	}
	if s.Groups {
		j.Task.Groups = nil
	}
	j.Task = switched(j.Task, s)
	return true
}

// switched is a task after a change of its user and its sets. setpriv keeps what is
// permitted (PR_SET_KEEPCAPS) until it has set the others.
func switched(t law.Task, s *scenario.Switch) law.Task {
	before := t.Permitted
	if s.UID != nil {
		t, _ = t.SetUIDs(*s.UID, *s.UID, *s.UID)
	}
	t.NoNewPrivs = t.NoNewPrivs || s.NoNewPrivs
	t.Bounding &= s.Bounding.Of(t.Bounding)
	if s.Inheritable != (scenario.SetChange{}) {
		t.Inheritable = s.Inheritable.Of(t.Inheritable) & (before | t.Inheritable)
	}
	if s.Ambient != (scenario.SetChange{}) {
		t.Ambient = s.Ambient.Of(t.Ambient) & t.Inheritable & (before | t.Permitted)
		t.Permitted |= t.Ambient
	}
	return t
}

// switchNeeds is the capabilities that a change of the user needs: setgroups(2) in any
// case, setgid(2) and setuid(2) for an id that the task does not have already
// (credentials(7)).
func switchNeeds(t *law.Task, s *scenario.Switch) (needs capset.Set) {
	if s.Groups || s.GID != nil && !has(t.GID, *s.GID) {
		needs |= capset.Of(capset.Setgid)
	}
	if s.UID != nil && !has(t.UID, *s.UID) {
		needs |= capset.Of(capset.Setuid)
	}
	if s.Bounding.Drop&t.Bounding != 0 {
		needs |= capset.Of(capset.Setpcap)
	}
	return needs
}

func has(ids cred.IDs, id uint32) bool { return id == ids.Real || id == ids.Saved }

// userOf words what is changed to.
func userOf(s *scenario.Switch) string {
	switch {
	case s.Somebody:
		return "another user"
	case s.UID != nil && s.GID != nil:
		return fmt.Sprintf("%d:%d", *s.UID, *s.GID)
	case s.UID != nil:
		return fmt.Sprintf("user %d", *s.UID)
	case s.GID != nil:
		return fmt.Sprintf("group %d", *s.GID)
	default:
		return "other groups"
	}
}
