package rootfs

import (
	"fmt"
	"hash/maphash"
	"io/fs"
	"path"
	"strings"

	"github.com/capwise/capwise/internal/limit"
)

// tree is the files of an image, as a tree of nodes by number. Layers are put
// over each other one entry at a time: what an entry costs does not depend on how
// many there are. Nodes hold no pointers, so that a million of them neither
// take much memory nor keep the garbage collector busy.
type tree struct {
	seed  maphash.Seed
	index map[uint64]int32 // by hash of the folder's number and the name in it
	nodes table[node]
	names arena
	extra table[extra]
	kept  int64 // bytes of links and attributes
	layer int32 // which is being added, from 1
}

// node is a file. Its number is its place in the table; that of the root is 0.
type node struct {
	parent      int32
	child, next int32 // of a list of those in a folder, removed ones with them
	extra       int32 // 0 for none
	name        span
	mode        fs.FileMode
	uid, gid    uint32
	magic       [magicSize]byte
	magicLen    uint8
	gone        bool
	layer       int32 // that has put it here
	cleared     int32 // the layer that has removed all below from lower ones
}

// extra is what few files have.
type extra struct {
	link    string // target of a symbolic link
	caps    []byte
	head    piece
	content piece
}

// piece is a part of the file that contents are kept in.
type piece struct{ at, size int64 }

// Whiteouts of the OCI image specification, "Layer".
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

const none = -1

func newTree() *tree {
	t := &tree{seed: maphash.MakeSeed(), index: map[uint64]int32{}}
	t.extra.add(extra{})
	t.nodes.add(node{parent: none, child: none, next: none, mode: fs.ModeDir | 0o755})
	return t
}

// hash is of a name in a folder. Who makes an image does not know the seed.
func (t *tree) hash(parent int32, name string) uint64 {
	const odd = 0x9e3779b97f4a7c15 // folders are far from each other
	return maphash.String(t.seed, name) + uint64(uint32(parent))*odd
}

// in returns the file of a name in a folder, or none.
func (t *tree) in(parent int32, name string) int32 {
	if n, ok := t.index[t.hash(parent, name)]; ok {
		return n
	}
	return none
}

// find returns the file at a clean absolute path, or none. Links are not followed.
func (t *tree) find(name string) int32 {
	at := int32(0)
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "/"), "/") {
		if part == "" {
			continue
		}
		if at = t.in(at, part); at == none {
			return none
		}
	}
	return at
}

// put returns the node of a name in a folder, and makes one if there is none.
func (t *tree) put(parent int32, name string) (int32, error) {
	if n := t.in(parent, name); n != none {
		return n, nil
	}
	folder := t.nodes.at(parent)
	n := t.nodes.add(node{
		parent: parent, child: none, next: folder.child, name: t.names.add(name),
		mode: fs.ModeDir | 0o755, layer: t.layer,
	})
	folder.child = n
	t.index[t.hash(parent, name)] = n
	return n, limit.Entries.Check(int64(t.nodes.size))
}

// folder returns the folder at a clean absolute path. Those that no layer has are
// made, as engines do.
func (t *tree) folder(name string) (int32, error) {
	at := int32(0)
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "/"), "/") {
		if part == "" {
			continue
		}
		n, err := t.put(at, part)
		if err != nil {
			return none, err
		}
		at = n
	}
	return at, nil
}

// add puts an entry of the current layer over what is there. Whiteouts concern
// the layers below alone, wherever in the layer they stand.
func (t *tree) add(i *item) error {
	dir, base := path.Split(i.name)
	switch {
	case base == opaque:
		if n := t.find(path.Clean(dir)); n != none {
			t.clear(n)
		}
		return nil
	case strings.HasPrefix(base, whiteout):
		if n := t.find(path.Join(dir, strings.TrimPrefix(base, whiteout))); n != none {
			t.whiteOut(n)
		}
		return nil
	}
	from := node{mode: i.mode, uid: i.uid, gid: i.gid, magic: i.magic, magicLen: i.magicLen}
	if i.hard != "" {
		target := t.find(i.hard)
		if target == none {
			return fmt.Errorf("%s: hard link to %s, which is not there", i.name, i.hard)
		}
		from = *t.nodes.at(target)
	} else if i.extra != nil {
		t.kept += int64(len(i.extra.link) + len(i.extra.caps))
		from.extra = t.extra.add(*i.extra)
	}
	if t.extra.at(from.extra).caps != nil { // its name will be told
		t.kept += int64(len(i.name))
	}
	if err := limit.Kept.Check(t.kept); err != nil {
		return err
	}
	return t.set(dir, base, &from)
}

// set gives the file of a name what from says.
func (t *tree) set(dir, base string, from *node) error {
	parent, err := t.folder(path.Clean(dir))
	if err != nil {
		return err
	}
	number, err := t.put(parent, base)
	if err != nil {
		return err
	}
	n := t.nodes.at(number)
	n.mode, n.uid, n.gid, n.extra, n.magic, n.magicLen, n.layer = from.mode, from.uid, from.gid, from.extra, from.magic, from.magicLen, t.layer
	if !n.mode.IsDir() {
		t.removeBelow(number)
	}
	return nil
}

// whiteOut removes a file of a layer below, and what is below it. Of a folder
// into which this layer has put something, that stays.
func (t *tree) whiteOut(number int32) {
	n := t.nodes.at(number)
	if n.parent == none {
		t.clear(number)
		return
	}
	if n.layer != t.layer {
		n.mode, n.uid, n.gid, n.extra = fs.ModeDir|0o755, 0, 0, 0
	}
	if !t.clear(number) && n.layer != t.layer {
		t.remove(number)
	}
}

// clear removes from a folder what layers below have put there, and reports
// whether something of this one is left. What was cleared for this layer has
// nothing more to be removed, so that each node is met once.
func (t *tree) clear(number int32) (left bool) {
	n := t.nodes.at(number)
	if t.wasCleared(number) {
		return n.child != none
	}
	n.cleared = t.layer
	var stay int32 = none
	for child := n.child; child != none; {
		c := t.nodes.at(child)
		next := c.next
		if !c.gone && t.clearChild(child) {
			c.next, stay = stay, child
		}
		child = next
	}
	n.child = stay
	return stay != none
}

// clearChild clears a file in a folder that is cleared, and reports whether it
// stays.
func (t *tree) clearChild(number int32) bool {
	c := t.nodes.at(number)
	if t.clear(number) {
		if c.layer != t.layer { // it is there on the way to what stays
			c.mode, c.uid, c.gid, c.extra = fs.ModeDir|0o755, 0, 0, 0
		}
		return true
	}
	if c.layer == t.layer {
		return true
	}
	t.remove(number)
	return false
}

// wasCleared reports whether a folder was cleared for this layer.
func (t *tree) wasCleared(number int32) bool { return t.nodes.at(number).cleared == t.layer }

// removeBelow removes all in a folder, whichever layer has put it there.
func (t *tree) removeBelow(number int32) {
	n := t.nodes.at(number)
	for child := n.child; child != none; child = t.nodes.at(child).next {
		if !t.nodes.at(child).gone {
			t.removeBelow(child)
			t.remove(child)
		}
	}
	n.child = none
}

// remove takes a file out that has nothing below it.
func (t *tree) remove(number int32) {
	n := t.nodes.at(number)
	delete(t.index, t.hash(n.parent, t.names.text(n.name)))
	n.gone = true
}

// path returns where a file is.
func (t *tree) path(number int32) string {
	var parts []string
	for n := t.nodes.at(number); n.parent != none; n = t.nodes.at(n.parent) {
		parts = append(parts, t.names.text(n.name))
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	return b.String()
}

// mostLinks is how many symbolic links the kernel follows (MAXSYMLINKS of
// fs/namei.c).
const mostLinks = 40

// resolve follows symbolic links to a file. It goes down from folder to folder, as
// the kernel does, so that a name costs what it is long.
func (t *tree) resolve(name string) (string, int32, error) {
	left, at := strings.Split(name, "/"), int32(0)
	for links := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = max(t.nodes.at(at).parent, 0)
			continue
		}
		next := t.in(at, part)
		if next == none {
			return "", none, fs.ErrNotExist
		}
		n := t.nodes.at(next)
		if n.mode&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > mostLinks {
			return "", none, fmt.Errorf("more than %d symbolic links", mostLinks)
		}
		link := t.extra.at(n.extra).link
		if path.IsAbs(link) {
			at = 0
		}
		left = append(strings.Split(link, "/"), left...)
	}
	if at == 0 {
		return "/", 0, nil
	}
	return t.path(at), at, nil
}
