package lookup

import (
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// wrapper says what a program executes that is started with arguments, and whether it
// changes its user before. ok is false if that cannot be told; next is empty where it
// executes nothing.
type wrapper func(w *walk, args []string) (next []string, change *scenario.Switch, ok bool)

// wrappers is the programs whose purpose it is to execute another, by their names.
// Those that change the user, and what they need for it, are described in
// docs/runtimes.md.
var wrappers map[string]wrapper

func init() { // which refer to each other
	wrappers = map[string]wrapper{
		"tini": plain("-p", "-e"), "tini-static": plain("-p", "-e"), "docker-init": plain("-p", "-e"), "catatonit": plain(),
		"dumb-init": plain("-r", "--rewrite"),
		"nice":      plain("-n", "--adjustment"), "nohup": plain(), "setsid": plain(), "stdbuf": plain("-i", "-o", "-e"),
		"time": plain("-f", "-o"), "ionice": plain("-c", "-n", "-p"), "exec": plain("-a"),
		"env": env, "timeout": timeout,
		"gosu": user, "su-exec": user, "s6-setuidgid": user, "setuidgid": user,
		"chpst": chpst, "setpriv": setpriv, "runuser": runuser, "su": su, "sudo": sudo, "doas": sudo,
		"capsh": capsh, "start-stop-daemon": startStopDaemon,
		"chroot": unfollowed, "unshare": unfollowed, "nsenter": unfollowed, "flock": unfollowed, "xargs": unfollowed,
	}
}

// plain is a wrapper that executes what follows its options, of which those named take
// a value.
func plain(withValue ...string) wrapper {
	return func(_ *walk, args []string) ([]string, *scenario.Switch, bool) {
		return afterOptions(args, withValue...), nil, true
	}
}

// unfollowed is a wrapper that changes more than is followed here.
func unfollowed(*walk, []string) ([]string, *scenario.Switch, bool) { return nil, nil, false }

// afterOptions returns what follows the options of a program, of which those
// named take a value.
func afterOptions(args []string, withValue ...string) []string {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		if slices.Contains(withValue, option) && len(args) > 0 {
			args = args[1:]
		}
	}
	return args
}

func env(_ *walk, args []string) ([]string, *scenario.Switch, bool) {
	return envCommand(args), nil, true
}

// envCommand is what env executes.
func envCommand(args []string) []string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") { // a lone one is -i
		option := args[0]
		args = args[1:]
		split, long := strings.CutPrefix(option, "--split-string=")
		short, is := strings.CutPrefix(option, "-S")
		switch {
		case option == "--":
			return afterAssignments(args)
		case long:
			args = append(strings.Fields(split), args...)
		case is && short != "":
			args = append(strings.Fields(short), args...)
		case (is || option == "--split-string") && len(args) > 0:
			args = append(strings.Fields(args[0]), args[1:]...)
		case (option == "-u" || option == "-C" || option == "--unset" || option == "--chdir") && len(args) > 0:
			args = args[1:]
		}
	}
	return afterAssignments(args)
}

func afterAssignments(args []string) []string {
	for len(args) > 0 && strings.Contains(args[0], "=") {
		args = args[1:]
	}
	return args
}

func timeout(_ *walk, args []string) ([]string, *scenario.Switch, bool) {
	args = afterOptions(args, "-k", "-s", "--kill-after", "--signal")
	if len(args) < 2 {
		return nil, nil, true
	}
	return args[1:], nil, true
}

// user is a wrapper whose first argument is the user.
func user(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	if len(args) < 2 {
		return nil, nil, true
	}
	change, ok := w.switchTo(args[0])
	return args[1:], change, ok
}

// switchTo is a change to NAME, NUMBER, NAME:GROUP or NUMBER:NUMBER, with all groups.
func (w *walk) switchTo(text string) (*scenario.Switch, bool) {
	change := &scenario.Switch{Groups: true}
	name, group, hasGroup := strings.Cut(text, ":")
	if number, err := strconv.ParseUint(name, 10, 32); err == nil && !w.users.has(name) {
		uid := uint32(number)
		change.UID = &uid
	} else if !w.identify(change, name) {
		return nil, false
	}
	if hasGroup {
		gid, err := w.users.groupID(group)
		if err != nil && w.known {
			return nil, false
		} else if err != nil {
			gid = somebody
		}
		change.GID = &gid
	}
	return change, true
}

// identify fills in the user of a name.
func (w *walk) identify(change *scenario.Switch, name string) bool {
	a, err := w.users.user(name)
	switch {
	case err == nil:
	case w.known:
		return false
	case name == "root":
		a = account{}
	default: // which is somebody, as far as anybody knows
		a = account{somebody, somebody}
		change.Somebody = true
	}
	change.UID, change.GID = &a.uid, &a.gid
	return true
}

// options reads the options of a program, up to its first argument, and returns what
// follows. Those in withValue take a value, "--name=value" and "-nvalue" included; get
// is called with each option and its value, and says whether it is known.
func options(args []string, withValue string, get func(name, value string) bool) ([]string, bool) {
	takes := strings.Fields(withValue)
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		name, value, given := strings.Cut(option, "=")
		if !strings.HasPrefix(option, "--") {
			name, value, given = option[:2], option[2:], len(option) > 2
		}
		if slices.Contains(takes, name) && !given {
			if len(args) == 0 {
				return nil, false
			}
			value, args = args[0], args[1:]
		}
		if !get(name, value) {
			return nil, false
		}
	}
	return args, true
}
