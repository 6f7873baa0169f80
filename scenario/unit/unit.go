package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/scenario"
)

// Unit is the files that make up a service.
type Unit struct {
	File    File
	DropIns []File
	// Sockets is the .socket units that belong to it, with their drop-ins.
	Sockets []File
	// Version is systemd's, such as "252.38"; "" if not known.
	Version string
}

// reader is a unit on its way in.
type reader struct {
	settings
	version string
	// transient says that the settings come from systemd-run, which sends each
	// set of capabilities whole.
	transient bool
	// userManager says that the manager is that of an ordinary user, and caller
	// which one.
	userManager bool
	caller      uint32
}

func newReader() *reader {
	return &reader{settings: settings{assignments: map[string][]assignment{}}}
}

// Parse reads a service: a start for each ExecStart= of it. An error names the
// file and the line.
func Parse(u Unit) ([]scenario.Start, error) {
	r := newReader()
	r.version = u.Version
	for _, f := range append([]File{u.File}, u.DropIns...) {
		if err := r.read(f); err != nil {
			return nil, err
		}
	}
	commands, err := r.commands()
	if err != nil {
		return nil, err
	}
	if len(commands) == 0 {
		return nil, fmt.Errorf("%s: no ExecStart= in a section [Service]", u.File.Name)
	}
	sockets, err := socketNotes(u.Sockets)
	if err != nil {
		return nil, err
	}
	var starts []scenario.Start
	for i, c := range commands {
		start := scenario.Start{Name: filepath.Base(u.File.Name), Syntax: scenario.Unit}
		if len(commands) > 1 {
			start.Name = fmt.Sprintf("%s (ExecStart= %d)", start.Name, i+1)
		}
		start.Where = scenario.Where{File: c.at.file, Line: c.at.line, Path: "Service.ExecStart"}
		r.fill(&start, c)
		start.Notes = append(start.Notes, sockets...)
		starts = append(starts, start)
	}
	return starts, nil
}

// fill completes a start for a command.
func (u *reader) fill(start *scenario.Start, c command) {
	u.privileges(start, c)
	start.Request.Entrypoint, start.Request.Args = c.args[:1:1], c.args[1:]
	for _, a := range u.list("Service.Environment") {
		words, _ := splitWords(a.value) // what is broken sets nothing
		for _, word := range words {
			if value, ok := strings.CutPrefix(word, "PATH="); ok {
				start.Request.Path = value
			}
		}
	}
	if path := u.value("Service.ExecSearchPath"); path != "" {
		start.Request.Path = path
	}
	for _, key := range []string{"RootDirectory", "RootImage"} {
		if root := u.value("Service." + key); root != "" && root != "/" {
			start.Note(fmt.Sprintf("%s=%s: the program is looked up in the file system of the host all the same", key, root))
		}
	}
	for _, key := range []string{"AppArmorProfile", "SELinuxContext", "SmackProcessLabel"} {
		if u.value("Service."+key) != "" {
			start.Note(key + "= is not judged: it may refuse what the kernel's own rules allow")
		}
	}
	if strings.Contains(strings.Join(c.args, " "), "%") {
		start.Note("specifiers such as %i are left as they stand")
	}
	start.Notes = append(start.Notes, u.notes...)
}

// folders is where systemd looks for units, the first first.
var folders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// Load reads a service by its path, or by its name from the folders of systemd,
// with drop-ins and sockets. The version is systemd's, "" if not known.
func Load(path, version string) ([]scenario.Start, error) {
	search := folders
	if strings.Contains(path, "/") {
		search = []string{filepath.Dir(path)}
	} else if filepath.Ext(path) == "" {
		path += ".service"
	}
	u, err := load(filepath.Base(path), search)
	if err != nil {
		return nil, err
	}
	u.Version = version
	return Parse(u)
}

// load finds the files of a service in folders.
func load(name string, search []string) (Unit, error) {
	var u Unit
	var err error
	if u.File, err = find(name, search); err != nil {
		return u, err
	}
	if u.DropIns, err = dropIns(name, search); err != nil {
		return u, err
	}
	r := newReader()
	for _, f := range append([]File{u.File}, u.DropIns...) {
		if err := r.read(f); err != nil {
			return u, err
		}
	}
	sockets := []string{strings.TrimSuffix(name, ".service") + ".socket"}
	for _, a := range r.list("Service.Sockets") {
		sockets = append(sockets, strings.Fields(a.value)...)
	}
	for _, socket := range sockets {
		f, err := find(socket, search)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return u, err
		}
		more, err := dropIns(socket, search)
		if err != nil {
			return u, err
		}
		for _, d := range more {
			f.Text += "\n" + d.Text
		}
		u.Sockets = append(u.Sockets, f)
	}
	return u, nil
}

// find opens the first file of that name, or else that of its template.
func find(name string, search []string) (File, error) {
	for _, n := range []string{name, template(name)} {
		for _, folder := range search {
			file := filepath.Join(folder, n)
			text, err := readFile(file)
			if err == nil {
				return File{Name: file, Text: string(text)}, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return File{}, err
			}
		}
	}
	return File{}, fmt.Errorf("unit %s in %s: %w", name, strings.Join(search, ", "), fs.ErrNotExist)
}

// readFile reads a unit or a drop-in. One that is masked leads to /dev/null.
func readFile(name string) ([]byte, error) {
	if resolved, err := filepath.EvalSymlinks(name); err == nil && resolved == os.DevNull {
		return nil, nil
	}
	return plainfile.Read(name, limit.Unit)
}

// template returns the name of the unit that an instance comes from.
func template(name string) string {
	prefix, rest, ok := strings.Cut(name, "@")
	if !ok {
		return name
	}
	return prefix + "@" + filepath.Ext(rest)
}

// dropIns reads what is in the folders NAME.d, ordered by name across all of
// them. The first folder wins where two hold the same name.
func dropIns(name string, search []string) ([]File, error) {
	byName := map[string]string{}
	for _, n := range []string{name, template(name), strings.TrimPrefix(filepath.Ext(name), ".")} {
		for _, folder := range search {
			for _, file := range drops(filepath.Join(folder, n+".d")) {
				if base := filepath.Base(file); byName[base] == "" {
					byName[base] = file
				}
			}
		}
	}
	var files []File
	for _, path := range byName {
		text, err := readFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: path, Text: string(text)})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(filepath.Base(a.Name), filepath.Base(b.Name)) })
	return files, nil
}

// drops lists the drop-ins in a folder; none where there is no such folder.
func drops(folder string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".conf" {
			found = append(found, filepath.Join(folder, e.Name()))
		}
	}
	return found
}

// socketNotes says which addresses systemd opens itself.
func socketNotes(sockets []File) ([]string, error) {
	var notes []string
	for _, f := range sockets {
		r := newReader()
		if err := r.read(f); err != nil {
			return nil, err
		}
		for _, key := range []string{"ListenStream", "ListenDatagram"} {
			for _, a := range r.list("Socket." + key) {
				notes = append(notes, socketNote(key, a.value, filepath.Base(f.Name)))
			}
		}
	}
	return notes, nil
}

func socketNote(key, address, socket string) string {
	return fmt.Sprintf("systemd itself opens %s=%s (%s), as root: the program needs no capability for it", key, address, socket)
}
