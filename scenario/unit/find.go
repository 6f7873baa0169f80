package unit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
)

// System is the machine whose units are read. The zero value is this machine, with
// a systemd of a version that is not known.
type System struct {
	// Root is the folder that the machine's tree lies in; "" for this machine.
	Root string
	// Version is systemd's, such as "252.38"; "" if not known.
	Version string
	// SocketFilters says whether systemd is built with BPF, which SocketBindDeny=
	// and the like need (+BPF_FRAMEWORK of systemctl --version).
	SocketFilters Answer
}

// Answer is yes, no, or not known, which is the zero value.
type Answer uint8

// The answers.
const (
	NotKnown Answer = iota
	Yes
	No
)

// folders is where the system's manager looks for units, the first first
// (systemd.unit(5), "Unit File Load Path").
var folders = []string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early",
	"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached",
	"/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	"/run/systemd/generator.late",
}

// types is what a unit's name may end with.
var types = []string{
	".service", ".socket", ".target", ".device", ".mount", ".automount", ".swap", ".timer", ".path", ".slice", ".scope",
}

// Load reads a service with its drop-ins and sockets. name is that of a unit on the
// machine, with .service or without, or the path of its file. Instances are read
// from their template. An error wraps [fs.ErrNotExist] where there is no such unit.
func (s System) Load(name string) ([]scenario.Start, error) {
	u, err := s.Find(name)
	if err != nil {
		return nil, err
	}
	return Parse(u)
}

// Find finds the files of a unit, as [System.Load] does it.
func (s System) Find(name string) (Unit, error) {
	f := finder{tree: newTree(s.Root), search: folders}
	if strings.Contains(name, "/") {
		f.named = f.inside(name)
		name = path.Base(f.named)
	} else if !slices.Contains(types, path.Ext(name)) {
		name += ".service"
	}
	return f.load(name, s)
}

// finder finds the files of one unit.
type finder struct {
	tree   tree
	search []string
	// named is the path that the reader gave; "" for a name.
	named string
	size  int64
	// aliases is how many links to units of other names were followed.
	aliases int
}

// inside makes a path that the reader gave one of the tree. A file of this machine
// that lies in no folder of units has its drop-ins beside it only.
func (f *finder) inside(name string) string {
	absolute := name
	if f.tree.here() {
		if a, err := filepath.Abs(name); err == nil {
			absolute = a
		}
	} else if rest, ok := strings.CutPrefix(filepath.Clean(name), filepath.Clean(f.tree.root)+"/"); ok {
		absolute = "/" + rest
	}
	if slices.Contains(folders, path.Dir(absolute)) {
		return path.Clean(absolute)
	}
	f.search = []string{path.Dir(name)}
	return name
}

// load finds the files of a unit.
func (f *finder) load(name string, s System) (Unit, error) {
	u := Unit{Name: name, System: s}
	file, err := f.fragment(name)
	if err != nil {
		return u, err
	}
	u.Name, u.File, u.Masked = file.unit, File{Name: f.tree.shown(file.path), Text: string(file.text)}, file.masked
	names := f.names(u.Name, name)
	if u.DropIns, err = f.dropIns(names); err != nil {
		return u, err
	}
	if other := f.takesPlace(u.Name); other != "" {
		u.Notes = append(u.Notes, fmt.Sprintf("systemd reads %s in its place: this is what it would be otherwise", f.tree.shown(other)))
	}
	if u.Sockets, err = f.sockets(&u); err != nil {
		return u, err
	}
	return u, f.variables(&u)
}

// fragment is a unit's own file. unit is the name that the unit has.
type fragment struct {
	unit   string
	path   string
	text   []byte
	masked bool
}

// fragment finds the file of a unit: that which the reader named, or the first of
// its name in the folders, or else that of its template.
func (f *finder) fragment(name string) (fragment, error) {
	for _, n := range slices.Compact([]string{name, template(name)}) {
		paths := make([]string, 0, len(f.search)+1)
		if f.named != "" {
			paths = append(paths, path.Join(path.Dir(f.named), n))
		}
		for _, folder := range f.search {
			paths = append(paths, path.Join(folder, n))
		}
		for _, p := range paths {
			found, err := f.read(p)
			id := f.id(name, p)
			if id != name && f.named == "" && f.aliases < mostAliases { // a link, whose target the folders may have elsewhere
				alias := finder{tree: f.tree, search: f.search, aliases: f.aliases + 1, size: f.size}
				if found, err := alias.fragment(id); err == nil {
					return found, nil
				}
			}
			if found.unit = id; !errors.Is(err, fs.ErrNotExist) {
				return found, err
			}
		}
	}
	return fragment{}, fmt.Errorf("unit %s in %s: %w", name, strings.Join(f.shown(f.search), ", "), fs.ErrNotExist)
}

func (f *finder) shown(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = f.tree.shown(name)
	}
	return out
}

// read reads a unit or a drop-in. One that is masked leads to /dev/null, or is empty.
func (f *finder) read(name string) (fragment, error) {
	if f.leadsToNull(name) {
		return fragment{path: name, masked: true}, nil
	}
	text, err := f.tree.read(name)
	if err != nil {
		return fragment{}, err
	}
	f.size += int64(len(text))
	return fragment{path: name, text: text, masked: len(text) == 0}, limit.Source.Check(f.size)
}

// leadsToNull reports whether a name is a link, or a few, to /dev/null.
func (f *finder) leadsToNull(name string) bool {
	const links = 8
	for range links {
		target := f.tree.readlink(name)
		switch {
		case target == os.DevNull:
			return true
		case target == "":
			return false
		case path.IsAbs(target):
			name = target
		default:
			name = path.Join(path.Dir(name), target)
		}
	}
	return false
}

// id returns the name that a unit has after its file, which may be a link to a unit
// of another name: an alias.
func (f *finder) id(name, file string) string {
	target := f.tree.readlink(file)
	if target == "" || target == os.DevNull {
		return name
	}
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(file), target)
	}
	base := path.Base(target)
	if !slices.Contains(f.search, path.Dir(target)) || path.Ext(base) != path.Ext(name) {
		return name // a file from elsewhere
	}
	if instance, ok := instanceOf(name); ok && template(base) == base {
		return strings.Replace(base, "@", "@"+instance, 1)
	}
	return base
}

// names is a unit's own name, what it was asked for by, and its other aliases.
func (f *finder) names(id, asked string) []string {
	names := []string{id}
	if asked != id {
		names = append(names, asked)
	}
	for _, folder := range f.search {
		list, err := f.tree.list(folder)
		if err != nil {
			continue // which is said where its drop-ins are read
		}
		slices.Sort(list)
		for _, n := range list {
			if path.Ext(n) == path.Ext(id) && !slices.Contains(names, n) && path.Base(f.tree.readlink(path.Join(folder, n))) == id {
				names = append(names, n)
			}
		}
	}
	return names
}

// takesPlace returns the file that systemd reads instead of the one that the reader
// named; "" where it reads that.
func (f *finder) takesPlace(name string) string {
	if f.named == "" || len(f.search) == 1 {
		return ""
	}
	for _, n := range slices.Compact([]string{name, template(name)}) {
		for _, folder := range f.search {
			p := path.Join(folder, n)
			if p == path.Join(path.Dir(f.named), n) || sameFolder(folder, path.Dir(f.named)) {
				return ""
			}
			if _, err := f.read(p); err == nil {
				return p
			}
		}
	}
	return ""
}

// sameFolder says of the two folders of packages that they are one: /lib leads to
// /usr/lib.
func sameFolder(a, b string) bool {
	return strings.TrimPrefix(a, "/usr") == strings.TrimPrefix(b, "/usr")
}

// template returns the name of the unit that an instance comes from.
func template(name string) string {
	prefix, _, ok := strings.Cut(name, "@")
	if !ok {
		return name
	}
	return prefix + "@" + path.Ext(name)
}

// instanceOf returns what stands between @ and the type; ok is false for a template
// and for a unit that is no instance.
func instanceOf(name string) (instance string, ok bool) {
	_, rest, _ := strings.Cut(name, "@")
	instance = strings.TrimSuffix(rest, path.Ext(rest))
	return instance, instance != ""
}

// dropIns reads what is in the folders NAME.d, ordered by file name across all of
// them. The first folder wins where two hold the same file name.
func (f *finder) dropIns(names []string) ([]File, error) {
	byName := map[string]string{}
	add := func(folder, n string) error {
		list, err := f.tree.list(path.Join(folder, n+".d"))
		for _, file := range list {
			if path.Ext(file) == ".conf" && byName[file] == "" {
				byName[file] = path.Join(folder, n+".d", file)
			}
		}
		return err
	}
	for _, name := range names {
		for _, folder := range f.search {
			for _, n := range dropInNames(name) {
				if err := add(folder, n); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, folder := range f.search { // service.d counts least
		if err := add(folder, strings.TrimPrefix(path.Ext(names[0]), ".")); err != nil {
			return nil, err
		}
	}
	var files []File
	for _, p := range byName {
		found, err := f.read(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to nothing
		}
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: f.tree.shown(p), Text: string(found.text)})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(path.Base(a.Name), path.Base(b.Name)) })
	return files, nil
}

// dropInNames returns the names whose folders hold drop-ins of a unit, the most
// particular first: its own, that of its template, and for a-b.service, and for the
// template a-b@.service, also a-.service (unit_file_find_dirs of shared/dropin.c).
func dropInNames(name string) []string {
	out := []string{name}
	instance, is := instanceOf(name)
	if is {
		out = append(out, dropInNames(template(name))...)
	}
	prefix, _, _ := strings.Cut(strings.TrimSuffix(name, path.Ext(name)), "@")
	prefix = strings.TrimRight(prefix, "-")
	dash := strings.LastIndexByte(prefix, '-')
	if dash < 0 {
		return out
	}
	shorter := prefix[:dash+1]
	if is {
		shorter += "@" + instance
	}
	return append(out, dropInNames(shorter+path.Ext(name))...)
}

// sockets finds the sockets that belong to a service: the one of its name, and those
// of Sockets=.
func (f *finder) sockets(u *Unit) ([]File, error) {
	r, err := readerOf(u)
	if err != nil {
		return nil, err
	}
	names := []string{strings.TrimSuffix(u.Name, ".service") + ".socket"}
	for _, a := range r.list("Service.Sockets") {
		names = append(names, strings.Fields(a.value)...)
	}
	var sockets []File
	beside := finder{tree: f.tree, search: f.search, size: f.size}
	for _, name := range names {
		if strings.Contains(name, "/") {
			continue // names no unit
		}
		file, err := beside.fragment(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		more, err := beside.dropIns([]string{name})
		if err != nil {
			return nil, err
		}
		text := string(file.text)
		for _, d := range more {
			text += "\n" + d.Text
		}
		sockets = append(sockets, File{Name: f.tree.shown(file.path), Text: text})
	}
	return sockets, nil
}

// mostAliases is how many links to units of other names are followed.
const mostAliases = 8
