package unit

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/scenario"
)

// dynamicUID stands for the number that DynamicUser= picks, the first of those
// that it picks from.
const dynamicUID = 61184

// privileges fills the settings of a start for one command.
func (u *reader) privileges(start *scenario.Start, c command) {
	s := &start.Settings
	s.Runtime = scenario.Runtime{Name: scenario.Systemd, Version: u.system.Version}
	s.PortStart = scenario.Unset
	u.network(start)
	dynamic := u.enabled("Service.DynamicUser")
	u.identity(start, c, dynamic)
	if c.full {
		s.Granted = capset.All
		start.Note("ExecStart=+ keeps every privilege: User=, capabilities and sandboxing do not count for it")
		return
	}
	s.Granted = u.merge("Service.CapabilityBoundingSet", capset.All)
	for _, p := range protections {
		if p.drops != 0 && u.isSet("Service."+p.key) {
			s.Granted &^= p.drops
		}
	}
	s.Ambient = u.merge("Service.AmbientCapabilities", 0) & s.Granted
	s.Securebits = u.securebits()
	explicit := u.enabled("Service.NoNewPrivileges")
	s.NoNewPrivsImplied = dynamic || u.filtersImply(start, c)
	s.NoNewPrivs = explicit || s.NoNewPrivsImplied
	if explicit || dynamic {
		s.Sandbox.Nosuid = u.nosuidUnder(dynamic)
	}
	if u.isSet("Service.PrivateUsers") {
		s.UserNamespace = true
	}
	if u.userManager {
		u.restrict(start)
	}
}

// restrict takes off what a user's own manager cannot give.
func (u *reader) restrict(start *scenario.Start) {
	s := &start.Settings
	if s.Ambient != 0 {
		start.Note("a user's own manager has no capabilities to make ambient")
		s.Ambient = 0
	}
	start.Request.User = ""
	s.UID, s.GID = u.caller, u.caller
}

// identity is as whom the command runs. With the prefixes + and ! that is root, but
// systemd looks User= and Group= up all the same.
func (u *reader) identity(start *scenario.Start, c command, dynamic bool) {
	user, group := u.value("Service.User"), u.value("Service.Group")
	r, s := &start.Request, &start.Settings
	r.AsRoot = c.full || c.asRoot
	if c.asRoot {
		start.Note("ExecStart=! runs the program as root, so that it can change to User= itself")
	}
	if dynamic && (user == "" || !isRoot(user)) {
		if !r.AsRoot {
			start.Note(fmt.Sprintf("DynamicUser=yes picks a number from %d on; assuming that one", dynamicUID))
			s.UID, s.GID = dynamicUID, dynamicUID
		}
		user, group = "", "" // systemd makes them where they are not there
	}
	r.User = user
	if group != "" {
		r.User += ":" + group
	}
	for _, a := range u.list("Service.SupplementaryGroups") {
		r.Groups = append(r.Groups, strings.Fields(a.value)...)
	}
	if r.AsRoot {
		return
	}
	if n, err := strconv.ParseUint(user, 10, 32); err == nil {
		s.UID, s.GID = uint32(n), uint32(n)
	}
	if n, err := strconv.ParseUint(u.value("Service.Group"), 10, 32); err == nil {
		s.GID = uint32(n)
	}
}

// isRoot reports whether a user of User= is root.
func isRoot(user string) bool { return user == "" || user == "root" || user == "0" }

// filtersImply reports whether seccomp filters bring no_new_privs.
func (u *reader) filtersImply(start *scenario.Start, c command) bool {
	var because []string
	for _, p := range protections {
		if p.filters && u.isSet("Service."+p.key) && !u.emptied(p.key) {
			because = append(because, p.key+"=")
		}
	}
	ordinary := u.userManager || !c.asRoot && (!isRoot(u.value("Service.User")) || u.enabled("Service.DynamicUser"))
	if len(because) == 0 || !ordinary {
		return false
	}
	list := strings.Join(because, ", ")
	number, _, _ := strings.Cut(u.system.Version, ".")
	n, err := strconv.Atoi(number)
	switch {
	case u.userManager || err == nil && n < filterVersion:
		start.Note(fmt.Sprintf("no_new_privs comes with %s, whatever NoNewPrivileges= says", list))
		return true
	case u.system.Version == "" && !u.enabled("Service.NoNewPrivileges") && !u.enabled("Service.DynamicUser"):
		implies := func(is bool) func(*scenario.Start) {
			return func(s *scenario.Start) { s.Settings.NoNewPrivs, s.Settings.NoNewPrivsImplied = is, is }
		}
		start.Unsure(scenario.Unknown{
			Fact: scenario.FactRuntime, What: "the version of systemd", Settle: "--runtime-version",
			Cases: []scenario.Case{
				{If: fmt.Sprintf("systemd is %d or newer", filterVersion), Set: implies(false)},
				{If: fmt.Sprintf("systemd is older, with which %s brings no_new_privs", list), Set: implies(true)},
			},
		})
	}
	return false
}

// merge puts the lines of a set of capabilities together (config_parse_capability_set
// of core/load-fragment.c). initial is what it is before any line; a line that
// comes to nothing, or is the first, replaces what was.
func (u *reader) merge(key string, initial capset.Set) capset.Set {
	set := initial
	for _, a := range u.assignments[key] {
		text, invert := strings.CutPrefix(a.value, "~")
		sum := u.capabilities(text, a)
		if sum == 0 || set == initial || u.transient {
			set = sum
			if invert {
				set = capset.All &^ sum
			}
			continue
		}
		if invert {
			set &^= sum
		} else {
			set |= sum
		}
	}
	return set
}

// capabilities reads a list of names, of which systemd passes over the unknown.
func (u *reader) capabilities(text string, a assignment) (set capset.Set) {
	words, err := splitWords(text)
	if err != nil {
		u.note("%s: %v", a, err)
	}
	for _, word := range words {
		c, err := capset.ParseCap(word)
		if err != nil {
			u.note("%s: %v, so systemd passes over it", a, err)
			continue
		}
		set |= capset.Of(c)
	}
	return set & capset.All
}

// securebits reads SecureBits=, of which the last line counts: other than
// systemd.exec(5) has it, they do not add up (seen with 252.38).
func (u *reader) securebits() (bits cred.Securebits) {
	a, _ := u.last("Service.SecureBits")
	for word := range strings.FieldsSeq(a.value) {
		bit, ok := cred.ParseSecurebit(word)
		if !ok {
			u.note("%s: unknown secure bit %q, so systemd passes over it", a, word)
		}
		bits |= bit
	}
	return bits
}

// network is whose network the unit has.
func (u *reader) network(start *scenario.Start) {
	s := &start.Settings
	s.Network = scenario.NetworkHost
	switch {
	case u.value("Service.NetworkNamespacePath") != "":
		s.Network = scenario.NetworkJoined
		start.Note("which ports are privileged in the network of NetworkNamespacePath= is taken from new networks")
	case u.enabled("Service.PrivateNetwork"):
		s.Network = scenario.NetworkPrivate
	}
	// systemd 252 makes it before the user namespace of PrivateUsers=, which
	// therefore does not own it.
	s.NetworkOutside = s.Network != scenario.NetworkHost
}
