package patch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
	"github.com/capwise/capwise/scenario/unit"
)

// command changes a command line of docker run, podman run or systemd-run.
func command(args []string, s *scenario.Start, changes []change) (Patch, error) {
	if s.Syntax == scenario.SystemdRun {
		return systemdRun(args, changes)
	}
	n, ok := engine.ImageAt(args)
	if !ok {
		return Patch{}, inSource
	}
	c := options{before: slices.Clone(args[:n]), behind: slices.Clone(args[n:])}
	for i := range changes {
		if err := c.change(&changes[i]); err != nil {
			return Patch{}, fmt.Errorf("%s: %w", changes[i].Change, err)
		}
	}
	whole := append(c.before, c.behind...)
	return Patch{Text: line(whole) + "\n", New: Source{Command: whole}}, nil
}

// options is a command line up to the image, and from there on.
type options struct{ before, behind []string }

// add puts an option last, where it counts.
func (o *options) add(option string) {
	if n := len(o.before); o.before[n-1] == "--" {
		o.before = slices.Insert(o.before, n-1, option)
		return
	}
	o.before = append(o.before, option)
}

// remove takes options away, written as "--name value", "--name=value" or "-n value".
func (o *options) remove(names []string, matches func(value string) bool) {
	for i := 1; i < len(o.before); i++ {
		name, value, given := strings.Cut(o.before[i], "=")
		if !slices.Contains(names, name) {
			continue
		}
		n := 1
		if !given && i+1 < len(o.before) {
			value, n = o.before[i+1], 2
		}
		if matches(value) {
			o.before = slices.Delete(o.before, i, i+n)
			i--
		}
	}
}

// edit changes the values of an option, and leaves it out where "" becomes of one.
func (o *options) edit(name string, changed func(value string) string) {
	for i := 1; i < len(o.before); i++ {
		value, attached := strings.CutPrefix(o.before[i], name+"=")
		n := 1
		if !attached {
			if o.before[i] != name || i+1 >= len(o.before) {
				continue
			}
			value, n = o.before[i+1], 2
		}
		with := []string{name + "=" + changed(value)}
		if changed(value) == value {
			with = o.before[i : i+n]
		} else if changed(value) == "" {
			with = nil
		}
		o.before = slices.Replace(o.before, i, i+n, slices.Clone(with)...)
		i += len(with) - 1
	}
}

func (o *options) change(c *change) error {
	switch c.Change {
	case diagnose.Sysctl:
		o.add("--sysctl=" + portStart + "=" + strconv.Itoa(c.after.Settings.PortStart))
	case diagnose.NoSysctl:
		o.remove([]string{"--sysctl"}, isNet)
	case diagnose.AddCapability:
		for _, name := range c.added("") {
			o.add("--cap-add=" + name)
		}
		o.edit("--cap-drop", c.keptDrops) // Podman refuses to both add and drop
	case diagnose.AllowNewPrivs:
		o.remove([]string{"--security-opt"}, func(v string) bool { return strings.HasPrefix(v, "no-new-privileges") })
	case diagnose.OwnNetwork:
		o.remove([]string{"--network", "--net"}, func(v string) bool { return v == "host" })
	case diagnose.HostUsers:
		o.add("--userns=host")
	case diagnose.PublishElsewhere:
		return o.publish(c)
	case diagnose.RunAsUser, diagnose.RunAsRoot:
		o.add("--user=" + c.user())
	case diagnose.NoInit:
		o.add("--init=false")
	case diagnose.Direct:
		last := c.before.Program.Last()
		if len(last.Args) == 0 {
			return inSource
		}
		o.add("--entrypoint=" + last.Path)
		o.behind = append(o.behind[:1:1], last.Args[1:]...)
	default:
		return inSource
	}
	return nil
}

// systemdRun puts properties before the program.
func systemdRun(args []string, changes []change) (Patch, error) {
	n, ok := unit.ProgramAt(args)
	program := args[min(n, len(args)):]
	if i := slices.IndexFunc(changes, func(c change) bool { return c.Change == diagnose.Direct }); i >= 0 {
		last := changes[i].before.Program.Last()
		program = append([]string{last.Path}, last.Args[min(1, len(last.Args)):]...)
		changes = slices.Delete(slices.Clone(changes), i, i+1)
	}
	lines, err := directives(changes)
	if !ok || err != nil {
		return Patch{}, inSource
	}
	whole := slices.Clone(args[:n])
	if whole[n-1] == "--" {
		whole = whole[:n-1]
	}
	for _, l := range lines {
		whole = append(whole, "--property="+l)
	}
	whole = append(whole, program...)
	return Patch{Text: line(whole) + "\n", New: Source{Command: whole}}, nil
}

// publish publishes other ports of the host.
func (o *options) publish(c *change) error {
	for i, was := range c.before.Published {
		now := c.after.Published[i]
		if now.Port == was.Port {
			continue
		}
		value := strings.TrimPrefix(was.From, "-p ")
		at := strings.LastIndex(value, ":"+strconv.Itoa(was.Port)+":") + 1
		if at == 0 && !strings.HasPrefix(value, strconv.Itoa(was.Port)+":") { // a range
			return inSource
		}
		if !o.replace(value, value[:at]+strconv.Itoa(now.Port)+value[at+len(strconv.Itoa(was.Port)):]) {
			return inSource
		}
	}
	return nil
}

// replace puts a value of -p in the place of another.
func (o *options) replace(old, value string) bool {
	for i, arg := range o.before {
		for _, form := range []string{"--publish=", "-p=", "-p"} {
			if arg == form+old {
				o.before[i] = form + value
				return true
			}
		}
		if arg == old && i > 0 && (o.before[i-1] == "-p" || o.before[i-1] == "--publish") {
			o.before[i] = value
			return true
		}
	}
	return false
}
