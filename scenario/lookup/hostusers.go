package lookup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// hostUser completes the ids of a service of systemd, which looks users up on its
// machine. A number that no user has is refused (217/USER), other than by container
// runtimes. Users that are not here may be there: of those nobody knows. Where the
// reader says what the program's file carries, the file is not looked up here, and so
// the user need not be here either.
func (r *resolver) hostUser() {
	s := r.start
	user, group, hasGroup := strings.Cut(s.Request.User, ":")
	if user != "" {
		r.hostUserID(user)
	}
	if hasGroup {
		r.hostGroup(group, func(s *scenario.Start, gid uint32) { s.Settings.GID = gid })
	}
	for _, g := range s.Request.Groups {
		r.hostGroup(g, func(s *scenario.Start, gid uint32) {
			if !slices.Contains(s.Settings.Groups, gid) {
				s.Settings.Groups = append(slices.Clone(s.Settings.Groups), gid)
			}
		})
	}
	if s.Request.AsRoot {
		s.Settings.UID, s.Settings.GID, s.Settings.Groups = 0, 0, nil
	}
}

// elsewhere reports whether the program is one of another machine.
func (r *resolver) elsewhere() bool { return !r.known || r.given.FileCaps != nil }

// hostUserID finds the ids of User=.
func (r *resolver) hostUserID(user string) {
	s := r.start
	number, err := strconv.ParseUint(user, 10, 32)
	isNumber := err == nil
	a, found := r.users.hostUser(user)
	switch {
	case found:
		s.Settings.UID, s.Settings.GID, s.Settings.Groups = a.uid, a.gid, r.users.memberOf(a)
	case r.given.User != "":
		r.saidUser(user)
	case r.elsewhere():
		s.Settings.UID, s.Settings.GID = somebody, somebody
		note := fmt.Sprintf("user %q is not on this machine; assuming a user other than root", user)
		if isNumber {
			s.Settings.UID, s.Settings.GID = uint32(number), uint32(number)
			note = fmt.Sprintf("no user here has the number %s; assuming that one has it on the machine, since systemd refuses a number without a user (217/USER)", user)
		}
		s.Note(note)
	case isNumber:
		s.Settings.UID, s.Settings.GID = uint32(number), uint32(number)
		r.refuse(scenario.CauseUnknownUser, "no user in /etc/passwd has the number %s, and systemd refuses such a number (217/USER)", user)
	default:
		s.Settings.UID, s.Settings.GID = somebody, somebody
		s.Unsure(missing(fmt.Sprintf("user %q", user), fmt.Sprintf("no user %q in /etc/passwd (217/USER)", user), "--user, or --root with the tree of a machine that has it"))
	}
}

// saidUser takes the number that the reader gives for a user who is not here.
func (r *resolver) saidUser(user string) {
	s := r.start
	name, group, _ := strings.Cut(r.given.User, ":")
	a, found := r.users.hostUser(name)
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && !found {
		a, found = account{uint32(n), uint32(n)}, true
	}
	if !found {
		a = account{somebody, somebody}
	}
	if n, err := strconv.ParseUint(group, 10, 32); err == nil {
		a.gid = uint32(n)
	}
	s.Settings.UID, s.Settings.GID = a.uid, a.gid
	s.Note(fmt.Sprintf("user %q is not on this machine; assuming that the machine has it, as user %d", user, a.uid))
}

// hostGroup finds the number of a group, and has set put it in place.
func (r *resolver) hostGroup(group string, set func(*scenario.Start, uint32)) {
	s := r.start
	gid, found := r.users.hostGroup(group)
	_, err := strconv.ParseUint(group, 10, 32)
	switch {
	case found:
	case r.elsewhere():
		s.Note(fmt.Sprintf("group %q is not on this machine; assuming that the machine has it", group))
	case err == nil:
		r.refuse(scenario.CauseUnknownUser, "no group in /etc/group has the number %s, and systemd refuses such a number (216/GROUP)", group)
	default:
		s.Unsure(missing(fmt.Sprintf("group %q", group), fmt.Sprintf("no group %q in /etc/group (216/GROUP)", group), "--root with the tree of a machine that has it"))
	}
	set(s, gid)
}

// missing is a user or group that is not here.
func missing(what, refusal, settle string) scenario.Unknown {
	return scenario.Unknown{
		Fact: scenario.FactUser, What: "whether the machine has the " + what, Settle: settle,
		Cases: []scenario.Case{
			{If: "the machine has the " + what, Set: func(*scenario.Start) {}},
			{If: "the machine has no " + what, Set: func(s *scenario.Start) {
				s.Refused = &scenario.Refusal{Cause: scenario.CauseUnknownUser, Reason: refusal}
			}},
		},
	}
}

// hostUser finds a user by name or number. systemd knows root and nobody on its own.
func (a accounts) hostUser(name string) (account, bool) {
	if found, err := a.user(name); err == nil {
		if a.has(name) {
			return found, true
		}
	}
	const nobody = 65534
	switch name {
	case "root", "0":
		return account{}, true
	case "nobody", "65534":
		return account{nobody, nobody}, true
	}
	return account{}, false
}

// has reports whether /etc/passwd has a line for a name or number.
func (a accounts) has(name string) bool {
	return line(a.passwd, 0, name) != nil || line(a.passwd, 2, name) != nil
}

// hostGroup finds a group by name or number; where it is not there, the number may
// still be told.
func (a accounts) hostGroup(name string) (uint32, bool) {
	entry := line(a.group, 0, name)
	if entry == nil {
		entry = line(a.group, 2, name)
	}
	if entry != nil {
		if n, err := strconv.ParseUint(entry[2], 10, 32); err == nil {
			return uint32(n), true
		}
	}
	const nogroup = 65534
	switch name {
	case "root", "0":
		return 0, true
	case "nogroup", "nobody", "65534":
		return nogroup, true
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), false
	}
	return somebody, false
}

// memberOf returns the groups that list a user as a member.
func (a accounts) memberOf(of account) []uint32 {
	var names []string
	for l := range strings.Lines(a.passwd) {
		if fields := strings.Split(strings.TrimSpace(l), ":"); len(fields) > 3 && fields[2] == strconv.Itoa(int(of.uid)) {
			names = append(names, fields[0])
		}
	}
	var groups []uint32
	for l := range strings.Lines(a.group) {
		fields := strings.Split(strings.TrimSpace(l), ":")
		if len(fields) < 4 {
			continue
		}
		member := slices.ContainsFunc(strings.Split(fields[3], ","), func(m string) bool { return slices.Contains(names, m) })
		if n, err := strconv.ParseUint(fields[2], 10, 32); err == nil && member {
			groups = append(groups, uint32(n))
		}
	}
	return groups
}
