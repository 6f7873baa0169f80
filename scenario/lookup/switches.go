package lookup

import (
	"strings"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/scenario"
)

// chpst is chpst -u USER PROGRAM of runit.
func chpst(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	var change *scenario.Switch
	rest, ok := options(args, "-u -U -b -/ -n -l -L -m -d -o -p -f -c -r -t -e -C", func(name, value string) bool {
		if name == "-/" {
			return false // another root
		}
		ok := true
		if name == "-u" {
			change, ok = w.switchTo(strings.TrimPrefix(value, ":"))
		}
		return ok
	})
	return rest, change, ok
}

// setpriv is that of util-linux, with its changes of capabilities.
func setpriv(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	change := &scenario.Switch{}
	rest, ok := options(args, "--reuid --regid --ruid --euid --rgid --egid --groups --inh-caps --ambient-caps --bounding-set --securebits --pdeathsig --selinux-label --apparmor-profile",
		func(name, value string) bool { return w.setprivOption(change, name, value) })
	return rest, change, ok
}

func (w *walk) setprivOption(change *scenario.Switch, name, value string) bool {
	ok := true
	switch name {
	case "--reuid":
		var named scenario.Switch
		if ok = w.identify(&named, value); ok {
			change.UID = named.UID
		}
	case "--regid":
		gid, err := w.users.groupID(value)
		if err != nil && w.known {
			return false
		} else if err != nil {
			gid = somebody
		}
		change.GID = &gid
	case "--clear-groups", "--init-groups", "--groups":
		change.Groups = true
	case "--no-new-privs", "--nnp":
		change.NoNewPrivs = true
	case "--inh-caps":
		ok = setChange(&change.Inheritable, value)
	case "--ambient-caps":
		ok = setChange(&change.Ambient, value)
	case "--bounding-set":
		ok = setChange(&change.Bounding, value)
	case "--keep-groups", "--pdeathsig", "--reset-env", "--selinux-label", "--apparmor-profile":
	default: // single ids, securebits
		return false
	}
	return ok
}

// setChange reads "+net_raw,-all".
func setChange(c *scenario.SetChange, text string) bool {
	for word := range strings.SplitSeq(text, ",") {
		if len(word) < 2 {
			return false
		}
		set := capset.All
		if word[1:] != "all" {
			one, err := capset.ParseCap("cap_" + word[1:])
			if err != nil {
				return false
			}
			set = capset.Of(one)
		}
		switch word[0] {
		case '+':
			c.Add, c.Drop = c.Add|set, c.Drop&^set
		case '-':
			c.Drop, c.Add = c.Drop|set, c.Add&^set
		default:
			return false
		}
	}
	return true
}

// runuser is runuser -u USER PROGRAM, or like su.
func runuser(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	var name string
	rest, ok := options(args, "-u --user -g --group -G --supp-group -c --command -s --shell -w -T", func(option, value string) bool {
		if option == "-u" || option == "--user" {
			name = value
		}
		return true
	})
	if !ok {
		return nil, nil, false
	}
	if name == "" {
		return su(w, args)
	}
	change, ok := w.rootOnly(name)
	return rest, change, ok
}

// rootOnly is a change by a program that others than root may not use so.
func (w *walk) rootOnly(name string) (*scenario.Switch, bool) {
	change, ok := w.switchTo(name)
	if ok {
		change.RootOnly = true
	}
	return change, ok
}

// su is su [OPTIONS] [-] [USER [ARGUMENTS]], which starts the user's shell.
func su(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	name, shell, command := "root", "/bin/sh", ""
	var named bool
	for len(args) > 0 {
		rest, ok := options(args, "-c --command -s --shell -g --group -G --supp-group -w -T", func(option, value string) bool {
			switch option {
			case "-c", "--command":
				command = value
			case "-s", "--shell":
				shell = value
			}
			return true
		})
		if !ok {
			return nil, nil, false
		}
		if args = rest; len(args) == 0 {
			break
		}
		if args[0] != "-" {
			if named { // arguments of the shell
				return nil, nil, false
			}
			name, named = args[0], true
		}
		args = args[1:]
	}
	change, ok := w.rootOnly(name)
	if command == "" {
		return nil, nil, false
	}
	return []string{shell, "-c", command}, change, ok
}

// sudo is sudo -u USER PROGRAM, or doas. What it allows others than root, nobody knows.
func sudo(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	name := "root"
	rest, ok := options(args, "-u --user -g --group -C -D -h -p -r -t -T -R -U", func(option, value string) bool {
		if option == "-u" || option == "--user" {
			name = strings.TrimPrefix(value, "#")
		}
		return option != "-s" && option != "-i" && option != "-R"
	})
	if !ok {
		return nil, nil, false
	}
	change, ok := w.rootOnly(name)
	return afterAssignments(rest), change, ok
}

// capsh is capsh --user=USER -- ARGUMENTS, which starts bash.
func capsh(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	var change *scenario.Switch
	for i, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "--":
			return append([]string{"/bin/bash"}, args[i+1:]...), change, true
		case "--user":
			var ok bool
			if change, ok = w.switchTo(value); !ok {
				return nil, nil, false
			}
		case "--print":
		default:
			return nil, nil, false
		}
	}
	return nil, nil, true
}

// startStopDaemon is that of dpkg.
func startStopDaemon(w *walk, args []string) ([]string, *scenario.Switch, bool) {
	var program, as, name, group string
	rest, ok := options(args, "-x --exec -a --startas -c --chuid -g --group -p --pidfile -n --name -u --user -s --signal -R --retry -N --nicelevel -k --umask -d --chdir -r --chroot -P --procsched -I --iosched -O --output", func(option, value string) bool {
		switch option {
		case "-x", "--exec":
			program = value
		case "-a", "--startas":
			as = value
		case "-c", "--chuid":
			name = value
		case "-g", "--group":
			group = value
		}
		return option != "-r" && option != "--chroot" && option != "-K" && option != "--stop"
	})
	if as != "" {
		program = as
	}
	if !ok || program == "" {
		return nil, nil, false
	}
	next := append([]string{program}, rest...)
	if name == "" {
		return next, nil, true
	}
	if group != "" && !strings.Contains(name, ":") {
		name += ":" + group
	}
	change, ok := w.switchTo(name)
	return next, change, ok
}
