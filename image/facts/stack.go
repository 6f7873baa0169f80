package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/limit"
)

// Stack is the file system of an image: its layers, the lowest first, each over
// those before it, as the OCI image specification has it ("Layer", "Whiteouts").
// Nothing is put together beforehand; a lookup goes down from folder to folder, in
// all layers that have something in it.
type Stack []*Layer

// NewStack puts layers over each other. The error says which layer cannot be.
func NewStack(layers ...*Layer) (Stack, error) {
	names := int64(0)
	for _, l := range layers {
		names += int64(l.Len())
	}
	if err := limit.Entries.Check(names); err != nil {
		return nil, err
	}
	for i, l := range layers {
		for _, link := range l.Links() {
			if !Stack(layers[:i]).has(link.Target) {
				return nil, fmt.Errorf("layer %d of %d: %s: hard link to %s, which is not there", i+1, len(layers), link.Path, link.Target)
			}
		}
	}
	return layers, nil
}

// has reports whether there is something at a path. The links of the layers, of which
// there may be very many, were looked at before, so that none is followed.
func (s Stack) has(name string) bool {
	for _, l := range slices.Backward(s) {
		if r, ok := l.find(name); ok && r.Flags&(flagEntry|flagWay) != 0 {
			return true
		}
		if l.Hides(name) {
			return false
		}
	}
	return false
}

// Info is what an image has at a path.
type Info struct {
	// Path is where the file is, after symbolic links.
	Path      string
	Mode      fs.FileMode
	UID, GID  uint32
	Attribute []byte

	layer  *Layer // that its content is in
	record record
}

// Head returns the first bytes of a file, at most n: of scripts and of the files of
// users and groups many, of others four.
func (i *Info) Head(n int) ([]byte, error) {
	if i.layer == nil {
		return nil, nil
	}
	return i.layer.head(&i.record, n)
}

// ErrNoLibrary says that what a file is linked with is not known: it is not a library,
// or was not looked into.
var ErrNoLibrary = errors.New("not looked into as a library: its name does not say so, it is sparse or too large")

// Library returns what the library at a path is linked with, after symbolic links. It is an
// [aware.Files].
func (s Stack) Library(name string) (l aware.Linked, err error) {
	info, err := s.Stat(name)
	if err != nil {
		return l, err
	}
	if info.layer == nil {
		return l, ErrNoLibrary
	}
	text := info.layer.inner(&info.record).library
	if len(text) == 0 {
		return l, ErrNoLibrary
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return l, nil
}

// place is a folder or file in one of the layers.
type place struct {
	layer int
	node  uint32
}

// found is what a stack has under a name: where it is, the topmost first, of a
// folder in all layers that have something in it.
type found struct {
	info   Info
	link   string
	places []place
}

// root is where each lookup begins.
func (s Stack) root() found {
	f := found{info: Info{Path: "/", Mode: fs.ModeDir | 0o755}}
	entry := false
	for i, l := range slices.Backward(s) {
		r := l.record(0)
		if r.Flags&flagEntry != 0 && !entry {
			entry = true
			f.info.Mode, f.info.UID, f.info.GID = fs.FileMode(r.Mode), r.UID, r.GID
		}
		f.places = append(f.places, place{i, 0})
		if r.Flags&flagOpaque != 0 {
			break
		}
	}
	return f
}

// in looks a name up in a folder. What a layer has there without an entry is on the
// way to something, and is what a layer below says, or else a folder that engines
// make.
func (s Stack) in(folder *found, name string) (out found, ok bool) {
	if !folder.info.Mode.IsDir() {
		return out, false
	}
	out.info.Path = path.Join(folder.info.Path, name)
	entry, closed := false, false
	for _, p := range folder.places {
		l := s[p.layer]
		n, r, there := l.in(p.node, name)
		if !there {
			continue
		}
		isEntry, isDir := r.Flags&flagEntry != 0, fs.FileMode(r.Mode).IsDir()
		switch {
		case isEntry && !isDir:
			if !entry { // else a folder above has taken its place
				return s.file(p.layer, n, &r, out.info.Path)
			}
			return out, true
		case isEntry && !entry:
			entry = true
			out.info.Mode, out.info.UID, out.info.GID = fs.FileMode(r.Mode), r.UID, r.GID
			out.info.Attribute = l.inner(&r).attribute
		case r.Flags&flagWay != 0 && out.info.Mode == 0:
			out.info.Mode = fs.ModeDir | 0o755
		}
		if (isEntry || r.Children > 0) && !closed {
			out.places = append(out.places, place{p.layer, n})
		}
		if r.Flags&flagWhiteout != 0 {
			break
		}
		closed = closed || r.Flags&flagOpaque != 0 // the folder itself stays
	}
	return out, out.info.Mode != 0
}

// file is an entry that is no folder.
func (s Stack) file(layer int, n uint32, r *record, name string) (found, bool) {
	l := s[layer]
	x := l.inner(r)
	out := found{link: x.link, places: []place{{layer, n}}}
	if r.Flags&flagBelow != 0 {
		var ok bool
		if out, ok = s[:layer].lookup(x.link); !ok {
			return out, false
		}
		out.info.Path = name
		if x.attribute != nil {
			out.info.Attribute = x.attribute
		}
		return out, true
	}
	out.info = Info{Path: name, Mode: fs.FileMode(r.Mode), UID: r.UID, GID: r.GID, Attribute: x.attribute, layer: l, record: *r}
	return out, true
}

// lookup returns what is at a path. It follows no symbolic link.
func (s Stack) lookup(name string) (found, bool) {
	at := s.root()
	for part := range parts(name) {
		var ok bool
		if at, ok = s.in(&at, part); !ok {
			return at, false
		}
	}
	return at, true
}

// Lstat returns what is at a clean path, without following symbolic links.
func (s Stack) Lstat(name string) (Info, bool) {
	f, ok := s.lookup(name)
	return f.info, ok
}

// mostLinks is how many symbolic links the kernel follows (MAXSYMLINKS of
// fs/namei.c).
const mostLinks = 40

// Stat follows symbolic links to a file. The error wraps [fs.ErrNotExist] if there
// is none.
func (s Stack) Stat(name string) (Info, error) {
	left := strings.Split(name, "/")
	way := []found{s.root()} // for ".."
	for links := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			way = way[:max(len(way)-1, 1)]
			continue
		}
		next, ok := s.in(&way[len(way)-1], part)
		if !ok {
			return Info{}, fs.ErrNotExist
		}
		if next.info.Mode&fs.ModeSymlink == 0 {
			way = append(way, next)
			continue
		}
		if links++; links > mostLinks {
			return Info{}, errTooManyLinks
		}
		if path.IsAbs(next.link) {
			way = way[:1]
		}
		left = append(strings.Split(next.link, "/"), left...)
	}
	return way[len(way)-1].info, nil
}

var errTooManyLinks = errors.New("more than 40 symbolic links")

// Seen is a file with the attribute as a container sees it.
type Seen struct {
	Capable
	// Path is the name that it is seen under.
	Path string
	// Layer is the number of the layer that puts it there, from 0.
	Layer int
}

// Capable lists the files with the attribute that a container sees, by each name
// that they have.
func (s Stack) Capable() []Seen {
	var out []Seen
	for i := range s {
		names := s.Visible(i)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			out = append(out, Seen{Capable: *names[name], Path: name, Layer: i})
		}
	}
	return out
}

// Visible returns which files with the attribute of a layer a container sees, with
// the layers above it, by the name: the file's own, or that of a hard link to it.
func (s Stack) Visible(layer int) map[string]*Capable {
	seen := map[string]*Capable{}
	list := s[layer].Capable()
	for i := range list {
		for _, name := range list[i].Names {
			seen[name] = &list[i]
		}
	}
	for _, l := range s[layer+1:] {
		if len(seen) == 0 {
			break
		}
		linked := map[string]*Capable{} // before the layer hides what it links to
		for _, link := range l.Links() {
			if c := seen[link.Target]; c != nil && !l.carries(link.Path) {
				linked[link.Path] = c
			}
		}
		for name := range seen {
			if l.Hides(name) {
				delete(seen, name)
			}
		}
		maps.Copy(seen, linked)
	}
	return seen
}

// carries reports whether a hard link to a file below has the attribute itself.
func (l *Layer) carries(name string) bool {
	r, ok := l.find(name)
	return ok && l.inner(&r).attribute != nil
}
