package lookup

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// walk follows what is executed from one program to the next.
type walk struct {
	*resolver
	search string
	uid    *uint32 // to which the program before changed
}

// deepest is how many programs may come before the one that listens.
const deepest = 8

// scriptSize is how much of an entrypoint is read to see what it executes.
const scriptSize = 64 << 10

// execute adds the program to the chain, and what it executes in turn, if it is
// one whose only purpose that is.
func (w *walk) execute(args []string, depth int) error {
	if depth == deepest {
		return fmt.Errorf("more than %d programs execute each other", deepest)
	}
	name, info, err := find(w.files, args[0], w.search, w.image.WorkDir)
	if err != nil {
		return err
	}
	head, err := w.files.Head(info.Path, scriptSize)
	if err != nil {
		return err
	}
	if m := w.misc(name, head); m != nil {
		return w.registered(m, info)
	}
	if words := interpreter(head); words != nil {
		return w.script(words, info.Path, string(head), args[1:], depth)
	}
	w.add(info)
	if next := w.wrapped(args); len(next) > 0 {
		return w.execute(next, depth+1)
	}
	return nil
}

func (w *walk) add(info scenario.FileInfo) {
	p := &w.start.Program
	p.Chain = append(p.Chain, scenario.Step{Path: info.Path, File: info.File, UID: w.uid})
	w.uid = nil
}

// registered follows a file that the kernel executes by an interpreter of
// binfmt_misc.
func (w *walk) registered(m *Misc, info scenario.FileInfo) error {
	if m.Credentials {
		w.add(info)
		w.start.Note(fmt.Sprintf("binfmt_misc (%s, flag C) has %s execute %s, whose own capabilities count", m.Name, m.Interpreter, info.Path))
		return nil
	}
	by, err := w.interpreterOf(m.Interpreter)
	if err != nil && m.Opened {
		w.add(scenario.FileInfo{Path: m.Interpreter})
		w.start.Note(fmt.Sprintf("binfmt_misc (%s) has %s execute %s, which was opened when it was registered; assuming that it carries no capabilities", m.Name, m.Interpreter, info.Path))
		return nil
	}
	if err != nil {
		return fmt.Errorf("interpreter of %s, by binfmt_misc (%s): %w", info.Path, m.Name, err)
	}
	w.add(by)
	w.start.Note(fmt.Sprintf("binfmt_misc (%s) has %s execute %s: the capabilities of %s count, and those of %s do not", m.Name, by.Path, info.Path, by.Path, info.Path))
	return nil
}

// script follows a file with #!, for which the kernel executes the interpreter,
// and whose own capabilities and set-id bits count for nothing.
func (w *walk) script(words []string, name, text string, args []string, depth int) error {
	info, err := w.interpreterOf(words[0])
	if err != nil {
		return fmt.Errorf("interpreter of %s: %w", name, err)
	}
	w.add(info)
	next, ok := lastExec(text, args)
	if !ok {
		w.start.Note(fmt.Sprintf("%s is a script; what it executes at last could not be told", name))
		return nil
	}
	return w.execute(next, depth+1)
}

// mostInterpreters is how many scripts may interpret each other (exec_binprm of
// fs/exec.c).
const mostInterpreters = 5

// interpreterOf returns the program that interprets a script, which is the last
// where interpreters are interpreted themselves.
func (w *walk) interpreterOf(name string) (scenario.FileInfo, error) {
	for range mostInterpreters {
		found, info, err := find(w.files, name, w.search, w.image.WorkDir)
		if err != nil {
			return scenario.FileInfo{}, err
		}
		head, err := w.files.Head(info.Path, scriptSize)
		if err != nil {
			return scenario.FileInfo{}, err
		}
		m, words := w.misc(found, head), interpreter(head)
		switch {
		case m != nil && m.Credentials: // of this file, whatever executes it
			return info, nil
		case m != nil:
			name = m.Interpreter
		case words != nil:
			name = words[0]
		default:
			return info, nil
		}
	}
	return scenario.FileInfo{}, fmt.Errorf("more than %d scripts interpret each other", mostInterpreters)
}

// execLine matches a line of a shell script that replaces the shell.
var execLine = regexp.MustCompile(`(?m)^\s*exec\s+(.+?)\s*$`)

// lastExec returns the command line that the last exec of a script stands for,
// with the script's own arguments in the place of "$@". ok is false where that
// cannot be told.
func lastExec(text string, args []string) (next []string, ok bool) {
	matches := execLine.FindAllStringSubmatch(text, -1)
	if matches == nil {
		return nil, false
	}
	for _, word := range strings.Fields(matches[len(matches)-1][1]) {
		switch word = strings.Trim(word, `"'`); {
		case word == "$@" || word == "${@}":
			next = append(next, args...)
		case strings.ContainsAny(word, "$`<>|&;()*?"):
			return nil, false
		default:
			next = append(next, word)
		}
	}
	return next, len(next) > 0 && !strings.HasPrefix(next[0], "-")
}

// wrapped returns the command line that the program executes, nil if it is not
// known to execute another.
func (w *walk) wrapped(args []string) []string {
	rest := args[1:]
	switch path.Base(args[0]) {
	case "tini", "tini-static", "docker-init", "dumb-init", "catatonit":
		return afterOptions(rest, "-p", "-e", "-r", "--rewrite")
	case "env", "nice", "nohup", "stdbuf":
		return afterAssignments(afterOptions(rest, "-u", "-C", "-n", "--unset", "--chdir"))
	case "gosu", "su-exec":
		if len(rest) < 2 {
			return nil
		}
		w.changeUser(rest[0])
		return rest[1:]
	case "sh", "bash", "dash", "ash", "busybox":
		return w.shell(rest)
	case "setpriv", "capsh", "sudo", "su", "runuser", "chroot", "unshare", "nsenter", "start-stop-daemon":
		w.start.Note(fmt.Sprintf("%s changes more than is followed here: the answer is for %s itself", args[0], args[0]))
		return nil
	default:
		return nil
	}
}

func (w *walk) changeUser(name string) {
	user, _, _ := strings.Cut(name, ":")
	a, err := w.users.user(user)
	if err != nil {
		w.start.Note(err.Error())
		return
	}
	w.uid = &a.uid
}

// afterOptions returns what follows the options of a program, of which those
// named take a value.
func afterOptions(args []string, withValue ...string) []string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		option := args[0]
		args = args[1:]
		if option == "--" {
			break
		}
		for _, v := range withValue {
			if option == v && len(args) > 0 {
				args = args[1:]
			}
		}
	}
	if len(args) == 0 {
		return nil
	}
	return args
}

func afterAssignments(args []string) []string {
	for len(args) > 0 && strings.Contains(args[0], "=") {
		args = args[1:]
	}
	if len(args) == 0 {
		return nil
	}
	return args
}

// shell returns the one simple command of sh -c, nil if there is more to it.
func (w *walk) shell(args []string) []string {
	if len(args) > 0 && args[0] == "sh" { // of busybox
		args = args[1:]
	}
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			return nil
		}
		if strings.HasSuffix(a, "c") && i+1 < len(args) {
			return w.command(args[i+1])
		}
	}
	return nil
}

func (w *walk) command(text string) []string {
	if strings.ContainsAny(text, "$`<>|&;(){}*?\"'\\\n") {
		w.start.Note(fmt.Sprintf("sh -c %q: what it executes at last could not be told", text))
		return nil
	}
	words := afterAssignments(strings.Fields(text))
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	return words
}
