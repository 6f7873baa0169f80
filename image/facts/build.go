package facts

import (
	"encoding/json"
	"hash/maphash"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/limit"
)

// Item is an entry of a layer.
type Item struct {
	// Path is absolute and clean.
	Path string
	// Hard is the path that a hard link leads to; "" if the entry is not one.
	Hard     string
	Mode     fs.FileMode
	UID, GID uint32
	// Link is where a symbolic link leads.
	Link string
	// Attribute is the raw attribute security.capability, nil for none. That of a
	// hard link becomes its file's.
	Attribute []byte
	// Head is the beginning of a regular file: four bytes, more of scripts and of the
	// files of users and groups.
	Head []byte
	// Program is what a file with the attribute says about itself, and Library what a
	// file that could be a library does; nil for others.
	Program *aware.Result
	Library *aware.Linked
}

// Builder makes the facts of a layer from its entries, one at a time, in their
// order. What an entry costs does not depend on how many there are. Nodes hold no
// pointers, so that a million of them neither take much memory nor keep the garbage
// collector busy.
type Builder struct {
	seed  maphash.Seed
	index map[uint64]int32 // by hash of the folder's number and the name in it
	nodes table[node]
	names arena
	inner table[extra]
	kept  int64 // bytes of links and attributes
	heads heads
}

// node is a name in a folder. Its number is its place in the table; that of the
// root is 0.
type node struct {
	parent      int32
	child, next int32 // of a list of those in a folder, removed ones with them
	extra       int32 // 0 for none
	name        span
	mode        fs.FileMode
	uid, gid    uint32
	magic       [magicSize]byte
	magicLen    uint8
	flags       uint8
	gone        bool
}

// What a layer says of a name.
const (
	flagEntry    = 1 << iota // there is an entry; otherwise it is on the way to one
	flagWhiteout             // what layers below have there is removed
	flagOpaque               // what layers below have in the folder is removed
	flagBelow                // a hard link to a file of a layer below
	flagWay                  // there is an entry below it: engines make the folder
)

// extra is what few files have. The names of one file have it in common.
type extra struct {
	link      string // target of a symbolic link, or of a hard link into a layer below
	attribute []byte
	program   *aware.Result
	library   []byte // an aware.Linked, as JSON
	head      piece
}

const magicSize = 4

// Whiteouts of the OCI image specification, "Layer".
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

const none = -1

// NewBuilder returns the builder of a layer without entries.
func NewBuilder() *Builder {
	b := &Builder{seed: maphash.MakeSeed(), index: map[uint64]int32{}}
	b.inner.add(extra{})
	b.nodes.add(node{parent: none, child: none, next: none, mode: fs.ModeDir | 0o755})
	return b
}

// Close gives back what a builder holds that was not finished.
func (b *Builder) Close() error { return b.heads.close() }

// Len is how many names there are, those of folders on the way with them.
func (b *Builder) Len() int { return int(b.nodes.size) }

// Kept is how many bytes of links and attributes there are, and of names that are told.
func (b *Builder) Kept() int { return int(b.kept) }

// hash is of a name in a folder. Who makes an image does not know the seed.
func (b *Builder) hash(parent int32, name string) uint64 {
	const odd = 0x9e3779b97f4a7c15 // folders are far from each other
	return maphash.String(b.seed, name) + uint64(uint32(parent))*odd
}

// in returns the node of a name in a folder, or none.
func (b *Builder) in(parent int32, name string) int32 {
	if n, ok := b.index[b.hash(parent, name)]; ok {
		return n
	}
	return none
}

// find returns the entry at a path, or none.
func (b *Builder) find(name string) int32 {
	at := int32(0)
	for part := range parts(name) {
		if at = b.in(at, part); at == none {
			return none
		}
	}
	if b.nodes.at(at).flags&flagEntry == 0 {
		return none
	}
	return at
}

// parts are the names in a path.
func parts(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(name, "/") {
			if part != "" && !yield(part) {
				return
			}
		}
	}
}

// put returns the node at a path, and makes those that are not there.
func (b *Builder) put(name string) (int32, error) {
	at := int32(0)
	for part := range parts(name) {
		n := b.in(at, part)
		if n == none {
			folder := b.nodes.at(at)
			n = b.nodes.add(node{parent: at, child: none, next: folder.child, name: b.names.add(part), mode: fs.ModeDir | 0o755})
			folder.child = n
			b.index[b.hash(at, part)] = n
			if err := limit.Entries.Check(int64(b.nodes.size)); err != nil {
				return none, err
			}
		}
		at = n
	}
	return at, nil
}

// Add puts an entry over what earlier ones have put there. It returns the number of
// its file if that has the attribute, as [Capable] gives it, and 0 otherwise.
// Whiteouts concern the layers below alone, wherever in the layer they stand.
func (b *Builder) Add(i *Item) (file int, err error) {
	dir, base := path.Split(i.Path)
	switch {
	case base == opaque:
		return 0, b.mark(dir, flagOpaque)
	case strings.HasPrefix(base, whiteout):
		return 0, b.mark(path.Join(dir, strings.TrimPrefix(base, whiteout)), flagWhiteout)
	}
	if i.Path == "/" && !i.Mode.IsDir() {
		return 0, nil // no engine replaces the root
	}
	from, err := b.from(i)
	if err != nil {
		return 0, err
	}
	file = int(from.extra)
	if b.inner.at(from.extra).attribute == nil {
		file = 0
	} else { // its name will be told
		b.kept += int64(len(i.Path))
	}
	if err := limit.Kept.Check(b.kept); err != nil {
		return 0, err
	}
	number, err := b.put(i.Path)
	if err != nil {
		return 0, err
	}
	n := b.nodes.at(number)
	if from.mode.IsDir() && n.flags&flagEntry != 0 && !n.mode.IsDir() {
		n.flags |= flagWhiteout // what the file removed stays so
	}
	n.mode, n.uid, n.gid, n.extra, n.magic, n.magicLen = from.mode, from.uid, from.gid, from.extra, from.magic, from.magicLen
	n.flags = n.flags&^flagBelow | from.flags | flagEntry
	if !n.mode.IsDir() {
		b.removeBelow(number)
	}
	return file, nil
}

// mark notes what a whiteout says.
func (b *Builder) mark(name string, flag uint8) error {
	number, err := b.put(name)
	if err != nil {
		return err
	}
	if number == 0 {
		flag = flagOpaque // the root itself stays
	}
	b.nodes.at(number).flags |= flag
	return nil
}

// from returns what an entry says of its name.
func (b *Builder) from(i *Item) (node, error) {
	if i.Hard != "" {
		return b.linked(i), nil
	}
	n := node{mode: i.Mode, uid: i.UID, gid: i.GID}
	n.magicLen = uint8(copy(n.magic[:], i.Head))
	x := extra{link: i.Link, attribute: i.Attribute, program: i.Program}
	if len(i.Head) > magicSize {
		var err error
		if x.head, err = b.heads.add(i.Head); err != nil {
			return n, err
		}
	}
	if i.Library != nil {
		var err error
		if x.library, err = json.Marshal(i.Library); err != nil {
			return n, err
		}
	}
	if x.link != "" || x.attribute != nil || x.library != nil || x.head.size > 0 {
		b.kept += int64(len(x.link) + len(x.attribute) + len(x.library))
		n.extra = b.inner.add(x)
	}
	return n, nil
}

// linked returns what a hard link says of its name: what its file does, if that is
// in this layer, and else where to look for it.
func (b *Builder) linked(i *Item) node {
	if number := b.find(i.Hard); number != none {
		target := b.nodes.at(number)
		if target.extra == 0 { // from now on the two have it in common
			target.extra = b.inner.add(extra{})
		}
		b.attribute(target.extra, i)
		return node{mode: target.mode, uid: target.uid, gid: target.gid, magic: target.magic, magicLen: target.magicLen, extra: target.extra, flags: target.flags & flagBelow}
	}
	b.kept += int64(len(i.Hard) + len(i.Path))
	n := node{mode: i.Mode, uid: i.UID, gid: i.GID, extra: b.inner.add(extra{link: i.Hard}), flags: flagBelow}
	b.attribute(n.extra, i)
	return n
}

// attribute gives a file the attribute of a hard link to it.
func (b *Builder) attribute(number int32, i *Item) {
	if i.Attribute == nil {
		return
	}
	b.kept += int64(len(i.Attribute))
	x := b.inner.at(number)
	x.attribute = i.Attribute
}

// removeBelow removes all that the layer has put in a folder.
func (b *Builder) removeBelow(number int32) {
	n := b.nodes.at(number)
	for child := n.child; child != none; child = b.nodes.at(child).next {
		if c := b.nodes.at(child); !c.gone {
			b.removeBelow(child)
			delete(b.index, b.hash(number, string(b.names.name(c.name))))
			c.gone = true
		}
	}
	n.child = none
}

// path returns where a node is.
func (b *Builder) path(number int32) string {
	var names []string
	for n := b.nodes.at(number); n.parent != none; n = b.nodes.at(n.parent) {
		names = append(names, string(b.names.name(n.name)))
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/")
}
