// Package patch writes remedies into the text of the source that they are for: a unified
// diff of a file, a drop-in of a unit, or a whole new command line. Whoever applies it
// gets the start that the remedy was judged by; the caller reads the new text again to
// see that.
package patch

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"mvdan.cc/sh/v3/syntax"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/scenario"
)

// ErrByHand is what an error wraps where a remedy cannot be written into the source: it
// changes the program, its file or the host.
var ErrByHand = errors.New("to be made by hand")

// Source is what a start was read from.
type Source struct {
	// Command is the command line; nil for a file.
	Command []string
	// Text is the content of the file.
	Text string
}

// Patch is a remedy, written into the source.
type Patch struct {
	// Text is what the user gets: a diff, or a command line.
	Text string
	// New is the source with the remedy.
	New Source
	// DropIn is the path of a drop-in of a unit, whose text New.Text then is.
	DropIn string
}

// change is one change of a start, with what it changes.
type change struct {
	diagnose.Change
	before, after *scenario.Start
}

// Of writes a remedy for a start.
func Of(src Source, s *scenario.Start, r *diagnose.Remedy) (Patch, error) {
	var changes []change
	for _, c := range r.Changes {
		switch c {
		case diagnose.ChangePort, diagnose.FilePermitted, diagnose.FileStrip, diagnose.FileGrant, diagnose.FileGrantEffective,
			diagnose.MoveFile, diagnose.HostSysctl, diagnose.Restart, diagnose.MeetPolicy, diagnose.PublishElsewhere:
			return Patch{}, fmt.Errorf("%s: %w", c, ErrByHand)
		}
		changes = append(changes, change{c, s, r.Start})
	}
	switch s.Syntax {
	case scenario.DockerRun, scenario.PodmanRun, scenario.SystemdRun:
		if src.Command == nil {
			return Patch{}, ErrByHand
		}
		return command(src.Command, s, changes)
	case scenario.Compose, scenario.Kubernetes:
		return file(src.Text, s, changes)
	case scenario.Unit:
		return dropIn(s, changes)
	default:
		return Patch{}, ErrByHand
	}
}

// file changes a YAML file.
func file(text string, s *scenario.Start, changes []change) (Patch, error) {
	path := steps(s.Where.Path)
	d := &document{text, onLine(path, s.Where.Line)}
	for _, c := range changes {
		var err error
		if s.Syntax == scenario.Compose {
			err = c.service(d, path)
		} else {
			err = c.container(d, path)
		}
		if err != nil {
			return Patch{}, fmt.Errorf("%s: %w", c.Change, err)
		}
	}
	if err := stillYAML(d.text); err != nil {
		return Patch{}, err
	}
	name := filepath.ToSlash(s.Where.File)
	return Patch{Text: udiff.Unified(name, name, text, d.text), New: Source{Text: d.text}}, nil
}

// dropIn writes a drop-in, which counts after what the unit says.
func dropIn(s *scenario.Start, changes []change) (Patch, error) {
	lines, err := directives(changes)
	if err != nil {
		return Patch{}, err
	}
	name, _, _ := strings.Cut(s.Name, " ") // of several ExecStart=
	text := "[Service]\n" + strings.Join(lines, "\n") + "\n"
	path := "/etc/systemd/system/" + name + ".d/capwise.conf"
	return Patch{Text: udiff.Unified("/dev/null", path, "", text), New: Source{Text: text}, DropIn: path}, nil
}

// directives are the lines of a unit that make the changes.
func directives(changes []change) ([]string, error) {
	var lines []string
	for _, c := range changes {
		switch c.Change {
		case diagnose.AddCapability:
			lines = append(lines, "CapabilityBoundingSet="+strings.Join(c.added("CAP_"), " "))
		case diagnose.Ambient:
			lines = append(lines, "AmbientCapabilities=CAP_NET_BIND_SERVICE")
		case diagnose.AllowNewPrivs:
			lines = append(lines, "NoNewPrivileges=no")
		case diagnose.HostUsers:
			lines = append(lines, "PrivateUsers=no")
		case diagnose.RunAsRoot:
			lines = append(lines, "User=root")
		default:
			return nil, fmt.Errorf("%s: %w", c.Change, ErrByHand)
		}
	}
	return lines, nil
}

// added names the capabilities that a change adds.
func (c *change) added(prefix string) []string {
	var out []string
	missing := (c.after.Settings.Granted &^ c.before.Settings.Granted) | (c.after.Settings.Added &^ c.before.Settings.Added)
	for each := range missing.Caps() {
		out = append(out, prefix+strings.ToUpper(strings.TrimPrefix(each.String(), "cap_")))
	}
	return out
}

// user is whom the changed start runs as.
func (c *change) user() string {
	set := &c.after.Settings
	if set.UID == 0 {
		return "0"
	}
	if set.GID == set.UID {
		return strconv.FormatUint(uint64(set.UID), 10)
	}
	return fmt.Sprintf("%d:%d", set.UID, set.GID)
}

const portStart = "net.ipv4.ip_unprivileged_port_start"

// service makes a change in a service of a compose file.
func (c *change) service(d *document, path []step) error {
	switch c.Change {
	case diagnose.Sysctl:
		return c.composeSysctl(d, at(path, "sysctls"))
	case diagnose.NoSysctl:
		return d.without(at(path, "sysctls"), isNet)
	case diagnose.AddCapability:
		return d.add(at(path, "cap_add"), c.added(""))
	case diagnose.AllowNewPrivs:
		return d.without(at(path, "security_opt"), func(s string) bool { return strings.HasPrefix(s, "no-new-privileges") })
	case diagnose.OwnNetwork:
		return d.remove(at(path, "network_mode"))
	case diagnose.HostUsers:
		return d.set(at(path, "userns_mode"), "host")
	case diagnose.RunAsUser, diagnose.RunAsRoot:
		return d.set(at(path, "user"), strconv.Quote(c.user()))
	case diagnose.NoInit:
		return d.set(at(path, "init"), "false")
	case diagnose.Direct:
		return c.direct(d, at(path, "entrypoint"), at(path, "command"))
	default:
		return ErrByHand
	}
}

// composeSysctl sets the sysctl, in a list or a mapping as the file has it.
func (c *change) composeSysctl(d *document, path []step) error {
	value := strconv.Itoa(c.after.Settings.PortStart)
	have, err := d.texts(path)
	if err != nil {
		return err
	}
	left := have[:0]
	for _, h := range have {
		if !strings.HasPrefix(h, portStart+"=") {
			left = append(left, h)
		}
	}
	if len(left) == 0 {
		return d.set(path, "{"+portStart+": "+value+"}")
	}
	return d.set(path, list(append(left, portStart+"="+value)))
}

func isNet(sysctl string) bool {
	return strings.HasPrefix(strings.ReplaceAll(sysctl, "/", "."), "net.")
}

// direct executes the program that listens in the place of what executes it.
func (c *change) direct(d *document, entrypoint, args []step) error {
	last := c.before.Program.Last()
	if len(last.Args) == 0 {
		return ErrByHand
	}
	if err := d.set(entrypoint, list([]string{last.Path})); err != nil {
		return err
	}
	return d.set(args, list(last.Args[1:]))
}

// container makes a change in a container of a manifest, or its pod.
func (c *change) container(d *document, path []step) error {
	context, pod := at(path, "securityContext"), path[:len(path)-2]
	switch c.Change {
	case diagnose.Sysctl:
		return d.set(at(pod, "securityContext", "sysctls"), fmt.Sprintf(`[{name: %s, value: "%d"}]`, portStart, c.after.Settings.PortStart))
	case diagnose.NoSysctl:
		return d.remove(at(pod, "securityContext", "sysctls"))
	case diagnose.AddCapability:
		if err := d.add(at(context, "capabilities", "add"), c.added("")); err != nil {
			return err
		}
		return d.without(at(context, "capabilities", "drop"), func(s string) bool {
			one, err := capset.ParseCap("cap_" + strings.ToLower(s))
			return err == nil && (c.after.Settings.Granted &^ c.before.Settings.Granted).Has(one)
		})
	case diagnose.AllowNewPrivs:
		return d.set(at(context, "allowPrivilegeEscalation"), "true")
	case diagnose.OwnNetwork:
		return d.set(at(pod, "hostNetwork"), "false")
	case diagnose.HostUsers:
		return d.set(at(pod, "hostUsers"), "true")
	case diagnose.RunAsUser, diagnose.RunAsRoot:
		uid, _, _ := strings.Cut(c.user(), ":")
		return d.set(at(context, "runAsUser"), uid)
	case diagnose.Direct:
		return c.direct(d, at(path, "command"), at(path, "args"))
	default:
		return ErrByHand
	}
}

// line is a command line as a shell reads it.
func line(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = Word(a)
	}
	return strings.Join(words, " ")
}

// Word is an argument as a shell reads it.
func Word(arg string) string {
	quoted, err := syntax.Quote(arg, syntax.LangPOSIX)
	if err != nil { // a zero byte, which no argument holds
		return strconv.Quote(arg)
	}
	return quoted
}
