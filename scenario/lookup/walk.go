package lookup

import (
	"fmt"
	"path"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// walk follows what is executed from one program to the next.
type walk struct {
	*resolver
	search string
	taken  int // how many ways there are
}

// deepest is how many programs may come before the one that listens.
const deepest = 12

// scriptSize is how much of an entrypoint is read to see what it executes.
const scriptSize = 64 << 10

// execute follows the program, and what it executes in turn, if it is one whose only
// purpose that is.
func (w *walk) execute(args []string, at route, depth int) []route {
	if depth == deepest {
		return []route{at.note("more than %d programs execute each other", deepest).unknown(args[0])}
	}
	name, info, err := w.find(args[0])
	if err != nil {
		return []route{w.failed(at, args[0], err)}
	}
	head, err := w.files.Head(info.Path, scriptSize)
	if err != nil && w.known {
		return []route{w.failed(at, args[0], err)}
	}
	if m := w.misc(name, head); m != nil {
		return []route{w.registered(m, at, info, args)}
	}
	if words := interpreter(head); words != nil {
		return w.script(words, info, string(head), args, at, depth)
	}
	at = at.with(scenario.Step{Path: info.Path, Args: args, File: info.File})
	return w.after(args, at, depth)
}

// find looks a program up. Where there are no files, its name is all that is known.
func (w *walk) find(name string) (string, scenario.FileInfo, error) {
	if !w.known {
		info, err := w.files.Stat(name)
		return name, info, err
	}
	return find(w.files, name, w.search, w.image.WorkDir)
}

// registered follows a file that the kernel executes by an interpreter of
// binfmt_misc.
func (w *walk) registered(m *Misc, at route, info scenario.FileInfo, args []string) route {
	if m.Credentials {
		at = at.note("binfmt_misc (%s, flag C) has %s execute %s, whose own capabilities count", m.Name, m.Interpreter, info.Path)
		return at.with(scenario.Step{Path: info.Path, Args: args, File: info.File})
	}
	by, err := w.interpreterOf(m.Interpreter)
	if err != nil && m.Opened {
		at = at.note("binfmt_misc (%s) has %s execute %s, which was opened when it was registered; assuming that it carries no capabilities", m.Name, m.Interpreter, info.Path)
		return at.with(scenario.Step{Path: m.Interpreter})
	}
	if err != nil {
		return w.failed(at, info.Path, fmt.Errorf("its interpreter, by binfmt_misc (%s): %w", m.Name, err))
	}
	at = at.note("binfmt_misc (%s) has %s execute %s: the capabilities of %s count, and those of %s do not", m.Name, by.Path, info.Path, by.Path, info.Path)
	return at.with(scenario.Step{Path: by.Path, Args: args, File: by.File})
}

// script follows a file with #!, for which the kernel executes the interpreter,
// and whose own capabilities and set-id bits count for nothing.
func (w *walk) script(words []string, script scenario.FileInfo, text string, args []string, at route, depth int) []route {
	info, err := w.interpreterOf(words[0])
	if err != nil {
		return []route{w.failed(at, script.Path, fmt.Errorf("its interpreter: %w", err))}
	}
	if script.File.HasCaps() {
		at = at.note("%s is a script: the kernel does not look at its capabilities, but at those of %s", script.Path, info.Path)
	}
	called := append(append(append([]string(nil), words...), script.Path), args[1:]...)
	at = at.with(scenario.Step{Path: info.Path, Args: called, File: info.File})
	by := called
	if path.Base(words[0]) == "env" { // which executes the interpreter
		by = envCommand(called[1:])
		if len(by) == 0 {
			return []route{at.unknown(script.Path)}
		}
		next, err := w.interpreterOf(by[0])
		if err != nil {
			return []route{w.failed(at, by[0], err)}
		}
		at = at.with(scenario.Step{Path: next.Path, Args: by, File: next.File})
	}
	switch {
	case isShell(by):
	case shells[path.Base(info.Path)]: // by another name, or for a script that interprets scripts
		return []route{at.unknown(script.Path)}
	default:
		return []route{at}
	}
	return w.endings(script.Path, text, append([]string{script.Path}, args[1:]...), at, depth)
}

// endings follows what a shell script executes at last.
func (w *walk) endings(name, text string, args []string, at route, depth int) []route {
	at.script = name
	if w.given.Scripts == nil {
		return []route{at.unknown(name)}
	}
	found := w.given.Scripts.Endings(text, args, at.uid)
	if len(found) == 0 {
		return []route{at.unknown(name)}
	}
	w.taken += len(found) - 1
	if w.taken > mostRoutes {
		return []route{at.unknown(name)}
	}
	var out []route
	for _, e := range found {
		way := at
		if e.If != "" {
			way.ifs = append(way.ifs[:len(way.ifs):len(way.ifs)], e.If)
		}
		if e.Args == nil {
			out = append(out, way.unknown(name))
			continue
		}
		out = append(out, w.execute(e.Args, way, depth+1)...)
	}
	return out
}

// mostRoutes is how many ways are followed besides the first.
const mostRoutes = 7

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

// after follows what a program executes that is known to execute another.
func (w *walk) after(args []string, at route, depth int) []route {
	if isShell(args) {
		return w.shell(args, at, depth)
	}
	follow := wrappers[path.Base(args[0])]
	if follow == nil {
		return []route{at}
	}
	next, change, ok := follow(w, args[1:])
	switch {
	case !ok:
		return []route{at.unknown(args[0])}
	case len(next) == 0: // it executes nothing
		return []route{at}
	}
	if change != nil {
		change.By = path.Base(args[0])
		at.change = change
		if change.UID != nil {
			at.uid = change.UID
		}
	}
	return w.execute(next, at, depth+1)
}

// executesNext reports whether the command line is one of a program that executes
// another.
func (w *walk) executesNext(args []string) bool {
	return isShell(args) || wrappers[path.Base(args[0])] != nil
}

// shells are those whose scripts are read.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "ksh": true, "mksh": true, "zsh": true}

// isShell reports whether a command line starts a shell.
func isShell(args []string) bool {
	name := path.Base(args[0])
	return shells[name] || name == "busybox" && len(args) > 1 && shells[args[1]]
}

// shell follows a shell's command line: -c with a command, or a script.
func (w *walk) shell(args []string, at route, depth int) []route {
	rest := args[1:]
	if path.Base(args[0]) == "busybox" {
		rest = rest[1:]
	}
	command := false
	for len(rest) > 0 && len(rest[0]) > 1 && (rest[0][0] == '-' || rest[0][0] == '+') {
		option := rest[0]
		rest = rest[1:]
		if option == "--" {
			break
		}
		command = command || !strings.HasPrefix(option, "--") && strings.Contains(option, "c")
		if (strings.HasSuffix(option, "o") || strings.HasSuffix(option, "O")) && !strings.HasPrefix(option, "--") && len(rest) > 0 {
			rest = rest[1:] // the name of an option
		}
	}
	switch {
	case len(rest) == 0:
		return []route{at} // it reads what is typed
	case command:
		parameters := rest[1:]
		if len(parameters) == 0 {
			parameters = []string{args[0]}
		}
		return w.endings(path.Base(args[0])+" -c", rest[0], parameters, at, depth)
	}
	if !w.known {
		return []route{at.unknown(rest[0])}
	}
	text, err := w.files.Head(path.Join("/", w.image.WorkDir, rest[0]), scriptSize)
	if path.IsAbs(rest[0]) {
		text, err = w.files.Head(rest[0], scriptSize)
	}
	if err != nil {
		return []route{w.failed(at, rest[0], err)}
	}
	return w.endings(rest[0], string(text), rest, at, depth)
}
