// Package facts is what is known about the layers of images, once they have been
// read: which files carry capabilities or set-id bits, what their programs say about
// themselves, what libraries are linked with, and all that a container's start asks of files: names, links, modes,
// owners, and what a layer removes of those below.
//
// A layer's facts belong to its digest. A [Builder] makes them from the layer's
// entries, a [Cache] keeps them between runs, and a [Stack] of them is the file
// system of an image. Nothing here reads a layer; package layer does.
package facts

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/limit"
)

// Version is that of the reader and the format. Facts of another version are not
// used: whoever changes what is read of a layer counts it up.
const Version = 2

// Capable is a file with the attribute security.capability in a layer.
type Capable struct {
	// File is its number, which [Builder.Add] has returned.
	File int `json:"file"`
	// Names are its paths in the layer: more than one if there are hard links.
	Names     []string `json:"names"`
	Attribute []byte   `json:"attribute"`
	// Program is what the program says about itself; nil if its content was not
	// looked into: it is sparse, or in a layer below.
	Program *aware.Result `json:"program,omitempty"`
}

// Link is a hard link to a file of a layer below.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// Layer is the facts of one layer. Several goroutines may ask it.
type Layer struct {
	digest  string
	nodes   []byte
	names   []byte
	extras  []byte
	summary summary
	file    *os.File
	headsAt int64 // where in it the beginnings of files are
}

// errDamaged says that a file of facts is not what was written.
var errDamaged = errors.New("the facts are damaged")

// open takes the facts of a digest from a file, which it then owns.
func open(f *os.File, digest string) (*Layer, error) {
	front := make([]byte, headerSize)
	if _, err := f.ReadAt(front, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	var h header
	if err := binary.Read(bytes.NewReader(front), binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	middle := int64(h.Nodes)*nodeSize + int64(h.Names) + int64(h.Extras) + int64(h.Summary)
	of := strings.TrimRight(string(h.Digest[:]), "\x00")
	switch {
	case string(h.Magic[:len(magic)]) != magic || h.Version != Version:
		return nil, fmt.Errorf("%w: they are of another version", errDamaged)
	case of != digest:
		return nil, fmt.Errorf("%w: they are of %q", errDamaged, of)
	case info.Size() != headerSize+middle+int64(h.Heads) || int64(h.Nodes) > limit.Entries.Most+1 || h.Nodes == 0:
		return nil, fmt.Errorf("%w: %d bytes", errDamaged, info.Size())
	}
	data := make([]byte, middle)
	if _, err := f.ReadAt(data, headerSize); err != nil {
		return nil, err
	}
	if crc32.Checksum(data, castagnoli) != h.Sum {
		return nil, fmt.Errorf("%w: their sum is another", errDamaged)
	}
	l := &Layer{digest: digest, file: f, headsAt: headerSize + middle}
	for _, part := range []struct {
		to   *[]byte
		size int64
	}{{&l.nodes, int64(h.Nodes) * nodeSize}, {&l.names, int64(h.Names)}, {&l.extras, int64(h.Extras)}} {
		*part.to, data = data[:part.size:part.size], data[part.size:]
	}
	if err := json.Unmarshal(data, &l.summary); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return l, l.check()
}

// check makes sure that no number leads outside.
func (l *Layer) check() error {
	for n := range l.Len() {
		r := l.record(uint32(n))
		ok := uint64(r.Name)+uint64(r.NameLen) <= uint64(len(l.names)) && r.MagicLen <= magicSize &&
			uint64(r.Child)+uint64(r.Children) <= uint64(l.Len()) && (r.Children == 0 || r.Child > uint32(n))
		if ok && r.Extra > 0 {
			rest := uint64(len(l.extras)) - min(uint64(r.Extra-1), uint64(len(l.extras)))
			ok = rest >= extraSize
			if ok {
				x := l.extras[r.Extra-1:]
				ok = rest-extraSize >= uint64(binary.LittleEndian.Uint32(x))+uint64(binary.LittleEndian.Uint32(x[4:]))+uint64(binary.LittleEndian.Uint32(x[20:]))
			}
		}
		if !ok {
			return fmt.Errorf("%w: node %d", errDamaged, n)
		}
	}
	return nil
}

// Close gives back what the facts are kept in.
func (l *Layer) Close() error { return l.file.Close() }

// Len is how many names there are, those of folders on the way with them.
func (l *Layer) Len() int { return len(l.nodes) / nodeSize }

// Kept is how many bytes of links and attributes there are, and of names that are told.
func (l *Layer) Kept() int {
	n := len(l.extras)
	for _, c := range l.summary.Capable {
		for _, name := range c.Names {
			n += len(name)
		}
	}
	for _, link := range l.summary.Links {
		n += len(link.Path)
	}
	return n
}

// Unload gives up the memory that the facts take, until [Layer.Reload].
func (l *Layer) Unload() { *l = Layer{digest: l.digest, file: l.file} }

// Reload reads the facts again, if they were given up.
func (l *Layer) Reload() error {
	if l.nodes != nil {
		return nil
	}
	again, err := open(l.file, l.digest)
	if err == nil {
		*l = *again
	}
	return err
}

// Capable lists the files with the attribute that the layer puts in place.
func (l *Layer) Capable() []Capable { return l.summary.Capable }

// SetID lists the programs with a set-id bit that the layer puts in place, by path.
func (l *Layer) SetID() []string { return l.summary.SetID }

// Links lists the hard links to files of layers below.
func (l *Layer) Links() []Link { return l.summary.Links }

func (l *Layer) record(n uint32) record {
	b := l.nodes[n*nodeSize:]
	le := binary.LittleEndian
	return record{
		Name: le.Uint32(b), NameLen: le.Uint16(b[4:]), Flags: b[6], MagicLen: b[7], Mode: le.Uint32(b[8:]),
		UID: le.Uint32(b[12:]), GID: le.Uint32(b[16:]), Magic: [4]byte(b[20:24]),
		Child: le.Uint32(b[24:]), Children: le.Uint32(b[28:]), Extra: le.Uint32(b[32:]),
	}
}

// name is that of a node in its folder.
func (l *Layer) name(n uint32) []byte {
	b := l.nodes[n*nodeSize:]
	return l.names[binary.LittleEndian.Uint32(b):][:binary.LittleEndian.Uint16(b[4:])]
}

// in returns the node of a name in a folder.
func (l *Layer) in(folder uint32, name string) (uint32, record, bool) {
	f := l.record(folder)
	i := sort.Search(int(f.Children), func(i int) bool {
		return string(l.name(f.Child+uint32(i))) >= name // which copies nothing
	})
	if i == int(f.Children) {
		return 0, record{}, false
	}
	n := f.Child + uint32(i)
	return n, l.record(n), string(l.name(n)) == name
}

// find returns the node at a path.
func (l *Layer) find(name string) (r record, ok bool) {
	at := uint32(0)
	for part := range parts(name) {
		if at, r, ok = l.in(at, part); !ok {
			return r, false
		}
	}
	return l.record(at), true
}

// Has reports whether the layer has an entry with the path.
func (l *Layer) Has(name string) bool {
	r, ok := l.find(name)
	return ok && r.Flags&flagEntry != 0
}

// Mentions reports whether the layer has an entry with the path, or removes what
// layers below have there.
func (l *Layer) Mentions(name string) bool {
	r, ok := l.find(name)
	return ok && r.Flags&(flagEntry|flagWhiteout) != 0
}

// Hides reports whether the layer hides what layers below have at a path: it has
// something else there, or removes it or a folder on the way.
func (l *Layer) Hides(name string) bool {
	r := l.record(0)
	at := uint32(0)
	for part := range parts(name) {
		if r.Flags&flagOpaque != 0 {
			return true
		}
		var ok bool
		if at, r, ok = l.in(at, part); !ok {
			return false
		}
		if r.Flags&flagWhiteout != 0 || r.Flags&flagEntry != 0 && !fs.FileMode(r.Mode).IsDir() {
			return true
		}
	}
	return r.Flags&flagEntry != 0
}

// inner returns what few nodes have.
func (l *Layer) inner(r *record) extra {
	if r.Extra == 0 {
		return extra{}
	}
	b := l.extras[r.Extra-1:]
	le := binary.LittleEndian
	link, attribute, library := le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[20:])
	x := extra{head: piece{int64(le.Uint64(b[8:])), int64(le.Uint32(b[16:]))}}
	b = b[extraSize:]
	x.link = string(b[:link])
	if attribute > 0 {
		x.attribute = b[link:][:attribute:attribute]
	}
	x.library = b[link:][attribute:][:library:library]
	return x
}

// head reads the beginning of a file.
func (l *Layer) head(r *record, n int) ([]byte, error) {
	head := l.inner(r).head
	if head.size == 0 {
		return r.Magic[:min(n, int(r.MagicLen))], nil
	}
	out := make([]byte, min(int64(n), head.size))
	_, err := io.ReadFull(io.NewSectionReader(l.file, l.headsAt+head.at, head.size), out)
	return out, err
}
