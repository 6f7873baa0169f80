package unit

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/scenario"
)

// unknownFile says of a start that the program's file is not known, and so what it
// carries.
func unknownFile(start *scenario.Start, fact scenario.Fact, what string) {
	carries := func(caps filecap.Caps, a scenario.Awareness) func(*scenario.Start) {
		return func(s *scenario.Start) {
			s.Program.Chain = []scenario.Step{{Path: s.Request.Entrypoint[0]}}
			s.Program.Chain[0].File.Caps, s.Program.Awareness = caps, a
		}
	}
	const low = 1 << capset.NetBindService
	none := carries(filecap.Caps{}, scenario.Dumb)
	none(start)
	start.Unsure(scenario.Unknown{
		Fact: fact, What: what, Settle: "--file-caps",
		Cases: []scenario.Case{
			{If: "its file carries no capabilities", Set: none},
			{If: "its file carries cap_net_bind_service=p and it raises it", Set: carries(filecap.Caps{Permitted: low, Revision: filecap.V2}, scenario.Aware)},
			{If: "its file carries cap_net_bind_service=ep", Set: carries(filecap.Caps{Permitted: low, Effective: true, Revision: filecap.V2}, scenario.Dumb)},
		},
	})
}

// sandbox fills in what filters and mounts refuse to a command. With the prefix +
// systemd leaves all of it out, except the mounts of TemporaryFileSystem=, BindPaths=
// and BindReadOnlyPaths= (seen with 252.38).
func (u *reader) sandbox(start *scenario.Start, c command) {
	dynamic := u.enabled("Service.DynamicUser")
	box := &start.Settings.Sandbox
	if start.Request.Root == "" { // other than on the machine, nothing is known to be below
		box.Hidden = u.hidden(c)
	}
	if c.full {
		return
	}
	box.Missing = u.missing()
	if box.NoExec = u.paths("NoExecPaths"); len(box.NoExec) > 0 {
		box.Exec = u.mountedAnew(dynamic)
	}
	if len(box.Exec) > 0 && len(u.list("Service.ExecPaths")) > 0 {
		start.Note("ExecPaths= has to hold the shared libraries of the program, too, which are not looked at")
	}
	box.Calls = u.callFilter()
	box.NoIPv4, box.NoIPv6 = u.refusedFamilies()
	u.socketRules(start)
}

// paths returns the paths of a list, without the signs in front that say what to do
// where there is no such path, and which root is meant.
func (u *reader) paths(key string) []string {
	var out []string
	for _, a := range u.list("Service." + key) {
		words, err := splitWords(a.value)
		if err != nil {
			continue // systemd passes over the line
		}
		for _, word := range words {
			if word = strings.TrimLeft(word, "-+"); path.IsAbs(word) {
				out = append(out, word)
			}
		}
	}
	return out
}

// hidden returns the folders over which settings mount something else. What is
// inaccessible hides whatever is mounted below it, and a file system of its own does not.
func (u *reader) hidden(c command) []scenario.HiddenFolder {
	var out []scenario.HiddenFolder
	hide := func(by string, except []string, folders ...string) {
		for _, folder := range folders {
			h := scenario.HiddenFolder{By: by, Folder: folder}
			for _, e := range except {
				if scenario.InFolder(e, folder) {
					h.Except = append(h.Except, e)
				}
			}
			out = append(out, h)
		}
	}
	bound := u.bound()
	hide("TemporaryFileSystem=", bound, u.temporary()...)
	if c.full { // which has no more of the sandbox
		return out
	}
	hide("InaccessiblePaths=", nil, u.paths("InaccessiblePaths")...)
	home := u.value("Service.ProtectHome")
	if on, _ := parseBool(home); on {
		hide("ProtectHome=", nil, "/home", "/root", "/run/user")
	} else if home == "tmpfs" {
		hide("ProtectHome=", bound, "/home", "/root", "/run/user")
	}
	if u.enabled("Service.PrivateTmp") || u.value("Service.PrivateTmp") == "disconnected" || u.enabled("Service.DynamicUser") {
		hide("PrivateTmp=", bound, "/tmp", "/var/tmp")
	}
	return out
}

// bound returns where BindPaths= and BindReadOnlyPaths= bring something back.
func (u *reader) bound() []string {
	var out []string
	for _, key := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, a := range u.list("Service." + key) {
			for word := range strings.FieldsSeq(a.value) {
				out = append(out, mounted(word, true))
			}
		}
	}
	return out
}

// mountedAnew returns what has a mount of its own by another setting than NoExecPaths=,
// which leaves all of those out below the paths that it names (seen with 252.38).
func (u *reader) mountedAnew(dynamic bool) []string {
	out := slices.Concat(u.nosuidUnder(false), u.bound(), u.temporary())
	if system := u.value("Service.ProtectSystem"); dynamic || system == "strict" {
		out = append(out, u.lists()...)
		// What is read-only already, ReadOnlyPaths= does not mount anew (drop_nop of
		// core/namespace.c, seen with 252.38).
		readOnly := u.paths("ReadOnlyPaths")
		out = slices.DeleteFunc(out, func(folder string) bool { return slices.Contains(readOnly, folder) })
		out = append(out, "/home", "/root", "/run/user")
	}
	return out
}

// temporary returns the folders of TemporaryFileSystem=.
func (u *reader) temporary() []string {
	var out []string
	for _, p := range u.paths("TemporaryFileSystem") {
		folder, _, _ := strings.Cut(p, ":")
		out = append(out, folder)
	}
	return out
}

// missing says which path of a list is not there any more once TemporaryFileSystem= is
// mounted over it; "" for none. systemd then does not start the unit, other than for a
// path with - in front.
func (u *reader) missing() string {
	bound := u.bound()
	for _, key := range []string{"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"} {
		for _, a := range u.list("Service." + key) {
			for word := range strings.FieldsSeq(a.value) {
				p := strings.TrimLeft(word, "+")
				for _, folder := range u.temporary() {
					gone := path.IsAbs(p) && path.Clean(p) != path.Clean(folder) && scenario.InFolder(p, folder)
					if gone && !slices.ContainsFunc(bound, func(b string) bool { return scenario.InFolder(p, b) }) {
						return fmt.Sprintf("%s=%s is not there any more once TemporaryFileSystem=%s is mounted (226/NAMESPACE)", key, p, folder)
					}
				}
			}
		}
	}
	return ""
}

// callGroups is which of the system calls that are judged are in each group of
// systemd. A test compares it with systemd-analyze syscall-filter.
var callGroups = map[string][]string{
	"@default":        {"execve"},
	"@network-io":     {"bind", "listen", "socket"},
	"@privileged":     {"capset", "setgroups", "setuid"},
	"@setuid":         {"setgid", "setgroups", "setuid"},
	"@system-service": {"bind", "capset", "execve", "listen", "setgid", "setgroups", "setuid", "socket"},
	"@known":          {"bind", "capset", "execve", "listen", "setgid", "setgroups", "setuid", "socket"},
}

// judgedCalls is the system calls that are judged.
var judgedCalls = callGroups["@known"]

// callFilter reads SystemCallFilter= (config_parse_syscall_filter of
// core/load-fragment.c): the first line makes it a list of what is allowed or of
// what is denied, and later ones add to it or take from it.
func (u *reader) callFilter() map[string]scenario.Filtered {
	lines := u.list("Service.SystemCallFilter")
	if len(lines) == 0 {
		return nil
	}
	allows := !strings.HasPrefix(lines[0].value, "~")
	listed := map[string]scenario.Filtered{}
	if allows {
		listed["execve"] = ""
		if !slices.ContainsFunc(lines, func(a assignment) bool { return strings.Contains(a.value, "@system-service") }) {
			u.note("SystemCallFilter= allows system calls of its own choice: of those that the program needs, only those for users, capabilities and sockets are judged")
		}
	}
	for _, line := range lines {
		text, inverted := strings.CutPrefix(line.value, "~")
		for word := range strings.FieldsSeq(text) {
			name, answer, _ := strings.Cut(word, ":")
			if !inverted && answer != "" {
				u.note("%s: %s: what is allowed has no error number, so systemd passes over it", line, word)
				continue
			}
			for _, call := range callsOf(name) {
				if inverted == allows && answer == "" {
					delete(listed, call)
				} else { // with an answer of its own it is denied in either list
					listed[call] = scenario.Filtered(answer)
				}
			}
		}
	}
	return u.filtered(listed, allows)
}

// emptied reports whether the lines of a list of what is denied take back all that
// they deny, word by word, so that there is no filter.
func (u *reader) emptied(key string) bool {
	lines := u.list("Service." + key)
	if len(lines) == 0 || !strings.HasPrefix(lines[0].value, "~") {
		return false
	}
	denied := map[string]bool{}
	for _, line := range lines {
		text, inverted := strings.CutPrefix(line.value, "~")
		for word := range strings.FieldsSeq(text) {
			name, _, _ := strings.Cut(word, ":")
			if inverted {
				denied[name] = true
				continue
			}
			delete(denied, name)
			for _, call := range callGroups[name] {
				delete(denied, call)
			}
		}
	}
	return len(denied) == 0
}

func callsOf(name string) []string {
	if strings.HasPrefix(name, "@") {
		return callGroups[name]
	}
	return []string{name}
}

// filtered turns the list into what each call that is judged is answered with.
func (u *reader) filtered(listed map[string]scenario.Filtered, allows bool) map[string]scenario.Filtered {
	otherwise := scenario.Killed
	if errno := u.value("Service.SystemCallErrorNumber"); errno != "" && errno != "kill" {
		otherwise = scenario.Filtered(errno)
	}
	out := map[string]scenario.Filtered{}
	for _, call := range judgedCalls {
		answer, is := listed[call]
		switch {
		case is == allows && answer == "": // allowed, by being in the one list or not in the other
		case answer == "":
			out[call] = otherwise
		case answer == "kill":
			out[call] = scenario.Killed
		default:
			out[call] = answer
		}
	}
	return out
}

// refusedFamilies reads RestrictAddressFamilies=, whose lines count as those of a
// system call filter do.
func (u *reader) refusedFamilies() (v4, v6 bool) {
	lines := u.list("Service.RestrictAddressFamilies")
	if len(lines) == 0 {
		return false, false
	}
	allows := !strings.HasPrefix(lines[0].value, "~")
	listed := map[string]bool{}
	for _, line := range lines {
		text, inverted := strings.CutPrefix(line.value, "~")
		if text == "none" {
			allows, listed = !inverted, map[string]bool{}
			continue
		}
		for name := range strings.FieldsSeq(text) {
			listed[name] = inverted != allows
		}
	}
	return listed["AF_INET"] != allows, listed["AF_INET6"] != allows
}

// socketRules reads SocketBindAllow= and SocketBindDeny=, which count where systemd is
// built with BPF.
func (u *reader) socketRules(start *scenario.Start) {
	var rules []scenario.PortRule
	for _, key := range []string{"SocketBindAllow", "SocketBindDeny"} {
		for _, a := range u.list("Service." + key) {
			rule, err := portRule(a.value)
			if err != nil {
				u.note("%s: %s=%s: %v, so systemd passes over it", a, key, a.value, err)
				continue
			}
			rule.Allow = key == "SocketBindAllow"
			rules = append(rules, rule)
		}
	}
	if !slices.ContainsFunc(rules, func(r scenario.PortRule) bool { return !r.Allow }) {
		return
	}
	switch u.system.SocketFilters {
	case No:
		start.Note("SocketBindDeny= does nothing here: this systemd is built without BPF (-BPF_FRAMEWORK)")
	case Yes:
		start.Settings.Sandbox.Ports = rules
	default:
		start.Unsure(scenario.Unknown{
			Fact: scenario.FactHost, What: "whether systemd is built with BPF, which SocketBindDeny= needs", Settle: "systemctl --version on the machine (BPF_FRAMEWORK)",
			Cases: []scenario.Case{
				{If: "systemd is built without BPF", Set: func(s *scenario.Start) { s.Settings.Sandbox.Ports = nil }},
				{If: "systemd is built with BPF", Set: func(s *scenario.Start) { s.Settings.Sandbox.Ports = slices.Clone(rules) }},
			},
		})
	}
}

// portRule reads [FAMILY:][NETWORK:][PORTS], or any.
func portRule(text string) (scenario.PortRule, error) {
	r := scenario.PortRule{First: 1, Last: 1<<16 - 1}
	if text == "any" {
		return r, nil
	}
	for _, part := range strings.Split(text, ":") {
		switch part {
		case "ipv4":
			r.IPv = 4
		case "ipv6":
			r.IPv = 6
		case "tcp", "udp":
			r.Network = part
		default:
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			from, errFirst := strconv.ParseUint(first, 10, 16)
			to, errLast := strconv.ParseUint(last, 10, 16)
			if errFirst != nil || errLast != nil || from == 0 || from > to {
				return r, fmt.Errorf("%q: want a port or a range of ports", part)
			}
			r.First, r.Last = int(from), int(to)
		}
	}
	return r, nil
}
