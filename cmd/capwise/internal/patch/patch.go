// Package patch writes remedies into the text of the source that they are for: a unified
// diff of a file, a drop-in of a unit, or a whole new command line. Whoever applies it
// gets the start that the remedy was judged by; the caller reads the new text again to
// see that.
package patch

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"mvdan.cc/sh/v3/syntax"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/scenario"
)

// ByHand is the error of a remedy that is not written into the source: it says where it
// is made, as in "made on the host".
type ByHand string

// Error implements error.
func (b ByHand) Error() string { return "made " + string(b) }

// inSource is for a change that no notation of the source is known for.
const inSource ByHand = "in the source, by hand"

// byHand is the changes that no source has a place for.
var byHand = map[diagnose.Change]ByHand{
	diagnose.ChangePort: "in the program's own configuration",
	diagnose.MoveFile:   "where the program's file is put",
	diagnose.HostSysctl: "on the host, by the command that it names",
	diagnose.Restart:    "by starting the program again",
}

// Source is what a start was read from.
type Source struct {
	// Command is the command line; nil for a file.
	Command []string
	// Text is the content of the file.
	Text string
	// Image is what is known about the image; nil for nothing.
	Image *Image
}

// Image is what an image says, and has.
type Image struct {
	// User is its USER.
	User string
	// Setcap is the path of its program setcap, or the name where that is not known; "" for
	// none.
	Setcap string
}

// Patch is a remedy, written into the source.
type Patch struct {
	// Text is the change of the source: a diff, or a command line; "" for none.
	Text string
	// File is the change of the program's file: a diff that makes a Containerfile, or a
	// command; "" for none.
	File string
	// New is the source with the remedy.
	New Source
	// ByHand says where the part of the remedy is made that is not written here; "" if all
	// of it is.
	ByHand ByHand
	// DropIn is the path of a drop-in of a unit, whose text New.Text then is.
	DropIn string
}

// change is one change of a start, with what it changes.
type change struct {
	diagnose.Change
	before, after *scenario.Start
}

// Of writes a remedy for a start. An error says why it cannot, [ByHand] where it is to be
// made instead.
func Of(src Source, s *scenario.Start, r *diagnose.Remedy) (p Patch, err error) {
	p.New = src
	var changes []change
	for _, c := range r.Changes {
		switch where, is := byHand[c]; {
		case is:
			p.ByHand = where
		case ofFile(c):
			if p.File, err = fileChange(src.Image, s, r.Start); err != nil {
				return Patch{}, err
			}
		default:
			changes = append(changes, change{c, s, r.Start})
		}
	}
	switch {
	case len(changes) > 0:
		written, err := ofSource(src, s, changes)
		if err != nil {
			return Patch{}, err
		}
		written.File, written.ByHand = p.File, p.ByHand
		return written, nil
	case p.File == "" && p.ByHand != "":
		return Patch{}, p.ByHand
	default:
		return p, nil
	}
}

// ofSource changes the source.
func ofSource(src Source, s *scenario.Start, changes []change) (Patch, error) {
	switch s.Syntax {
	case scenario.DockerRun, scenario.PodmanRun, scenario.SystemdRun:
		if src.Command == nil {
			return Patch{}, inSource
		}
		return command(src.Command, s, changes)
	case scenario.Compose, scenario.Kubernetes, scenario.OCI:
		if src.Text == "" {
			return Patch{}, inSource
		}
		return file(src.Text, s, changes)
	case scenario.Unit:
		return dropIn(s, changes)
	default:
		return Patch{}, inSource
	}
}

// file changes a YAML file.
func file(text string, s *scenario.Start, changes []change) (Patch, error) {
	path := steps(s.Where.Path)
	if service, is := strings.CutPrefix(s.Where.Path, "services."); is && s.Syntax == scenario.Compose {
		path = at(nil, "services", service) // whose name may have dots
	}
	d := &document{text: text, holds: onLine(path, s.Where.Line)}
	for _, c := range changes {
		var err error
		switch s.Syntax {
		case scenario.Compose:
			err = c.service(d, path)
		case scenario.Kubernetes:
			err = c.container(d, path)
		default:
			err = c.bundle(d)
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
		case diagnose.AllowCalls:
			lines = append(lines, "SystemCallFilter="+diagnose.FilterNames(c.allowed()))
		case diagnose.AllowFamilies:
			lines = append(lines, "RestrictAddressFamilies=AF_INET AF_INET6")
		case diagnose.Direct:
			command, err := c.execStart()
			if err != nil {
				return nil, err
			}
			lines = append(lines, "ExecStart=", "ExecStart="+command)
		case diagnose.AllowExec:
			lines = append(lines, "NoExecPaths=")
		default:
			return nil, inSource
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

// execStart is the command of a unit without what executes the program that listens.
func (c *change) execStart() (string, error) {
	s, last := c.before, c.before.Program.Last()
	if len(last.Args) == 0 || strings.Contains(s.Name, " ") { // one of several ExecStart=
		return "", inSource
	}
	words := []string{strings.ReplaceAll(s.Request.Prefix, "@", "") + unitWord(last.Path)}
	for _, arg := range last.Args[1:] {
		if strings.ContainsAny(arg, "$\n\r") { // which systemd reads in ways of its own
			return "", inSource
		}
		words = append(words, unitWord(arg))
	}
	return strings.Join(words, " "), nil
}

// unitWord is a word of a command as systemd reads it.
func unitWord(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if plain.MatchString(strings.ReplaceAll(word, "%", "")) {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// keptDrops is names of capabilities that are dropped, with commas, without those that
// are added.
func (c *change) keptDrops(names string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(names, ","), c.adds), ",")
}

// adds reports whether a capability, as engines and manifests name it, is one that is
// added.
func (c *change) adds(name string) bool {
	name = strings.ToLower(name)
	if !strings.HasPrefix(name, "cap_") {
		name = "cap_" + name
	}
	one, err := capset.ParseCap(name)
	return err == nil && (c.after.Settings.Granted &^ c.before.Settings.Granted).Has(one)
}

// allowed is the system calls that a filter refused.
func (c *change) allowed() []string {
	var out []string
	for call := range c.before.Settings.Sandbox.Calls {
		if c.after.Settings.Sandbox.Calls[call] == "" {
			out = append(out, call)
		}
	}
	slices.Sort(out)
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
		if err := d.without(at(path, "cap_drop"), c.adds); err != nil { // Podman refuses to both add and drop
			return err
		}
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
		return inSource
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
		return inSource
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
		return d.without(at(context, "capabilities", "drop"), c.adds)
	case diagnose.AllowNewPrivs:
		return d.set(at(context, "allowPrivilegeEscalation"), "true")
	case diagnose.OwnNetwork:
		return d.set(at(pod, "hostNetwork"), "false")
	case diagnose.HostUsers:
		return d.set(at(pod, "hostUsers"), "true")
	case diagnose.RunAsUser, diagnose.RunAsRoot:
		uid, _, _ := strings.Cut(c.user(), ":")
		return d.set(at(context, "runAsUser"), uid)
	case diagnose.MeetPolicy:
		return c.meetPolicy(d, pod)
	case diagnose.Direct:
		return c.direct(d, at(path, "command"), at(path, "args"))
	default:
		return inSource
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

var (
	// plain is a word that every shell reads as it stands, wherever it is.
	plain = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+-][A-Za-z0-9_./:,@%+=-]*$`)
	// isName is the name of a variable.
	isName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Word is an argument as a shell reads it. What assigns a variable still does.
func Word(arg string) string {
	name, value, assigns := strings.Cut(arg, "=")
	if assigns && plain.MatchString(name) {
		if value == "" || plain.MatchString(value) {
			return arg
		}
		if isName.MatchString(name) {
			return name + "=" + Word(value)
		}
	}
	if plain.MatchString(arg) {
		return arg
	}
	quoted, err := syntax.Quote(arg, syntax.LangPOSIX)
	if err != nil { // a zero byte, which no argument holds
		return strconv.Quote(arg)
	}
	return quoted
}

// meetPolicy makes the pod one that the policy admits.
func (c *change) meetPolicy(d *document, pod []step) error {
	for _, f := range c.before.Refused.Fields {
		path := append(slices.Clone(pod), steps(f.Path)...)
		err := d.set(path, f.Value)
		if f.Value == "" {
			err = d.remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
