package facts

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
)

// The file of a layer's facts, all numbers little endian: a header; nodes, those in
// one folder behind each other by name; their names; what few of them have; a summary
// as JSON; the beginnings of files. All but the last is in memory while it is used.
const (
	magic      = "capwise facts\n\x00\x00"
	headerSize = 256
	nodeSize   = 36
	extraSize  = 24
)

// header says where things are in the file.
type header struct {
	Magic   [16]byte
	Version uint32
	// Sum is the CRC-32C of all between header and heads.
	Sum     uint32
	Nodes   uint32
	Names   uint32 // bytes
	Extras  uint32 // bytes
	Summary uint32 // bytes
	Heads   uint64 // bytes
	Digest  [160]byte
}

// record is a node as it is written.
type record struct {
	Name     uint32
	NameLen  uint16
	Flags    uint8
	MagicLen uint8
	Mode     uint32
	UID, GID uint32
	Magic    [magicSize]byte
	Child    uint32 // the first of those in the folder
	Children uint32
	Extra    uint32 // where in extras, from 1; 0 for none
}

// summary is the few things of a layer that are asked for in a list.
type summary struct {
	Capable []Capable `json:"capable"`
	Links   []Link    `json:"links"`
	SetID   []string  `json:"set_id"`
}

// finish writes the facts, as those of the digest.
func (b *Builder) finish(f *os.File, digest string) error {
	order := b.order()
	w := &encoder{b: b, sum: crc32.New(castagnoli), extras: map[int32]uint32{}}
	if _, err := f.Seek(headerSize, io.SeekStart); err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(f, 256<<10)
	w.w = io.MultiWriter(buffer, w.sum)
	h := header{Version: Version, Nodes: uint32(len(order)), Heads: uint64(b.heads.end)}
	copy(h.Magic[:], magic)
	copy(h.Digest[:], digest)
	w.nodes(order)
	for _, number := range order {
		w.write(b.names.name(b.nodes.at(number).name))
	}
	h.Names = w.names
	for _, number := range w.extraOrder {
		w.extra(b.inner.at(number))
	}
	h.Extras = w.extraEnd
	text, err := json.Marshal(b.summary(order))
	if err != nil {
		return err
	}
	w.write(text)
	h.Summary, h.Sum = uint32(len(text)), w.sum.Sum32()
	if w.err == nil && b.heads.file != nil {
		_, w.err = io.Copy(buffer, io.NewSectionReader(b.heads.file, 0, b.heads.end))
	}
	if w.err == nil {
		w.err = buffer.Flush()
	}
	if w.err != nil {
		return w.err
	}
	var front bytes.Buffer
	if err := binary.Write(&front, binary.LittleEndian, &h); err != nil {
		return err
	}
	front.Write(make([]byte, headerSize-front.Len()))
	_, err = f.WriteAt(front.Bytes(), 0)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// order lists the nodes as they are written.
func (b *Builder) order() []int32 {
	order := make([]int32, 1, b.nodes.size)
	for i := 0; i < len(order); i++ {
		begin := len(order)
		for child := b.nodes.at(order[i]).child; child != none; child = b.nodes.at(child).next {
			if !b.nodes.at(child).gone {
				order = append(order, child)
			}
		}
		slices.SortFunc(order[begin:], func(x, y int32) int {
			return bytes.Compare(b.names.name(b.nodes.at(x).name), b.names.name(b.nodes.at(y).name))
		})
	}
	for _, number := range slices.Backward(order) { // those in a folder before it
		if n := b.nodes.at(number); n.parent != none && n.flags&(flagEntry|flagWay) != 0 {
			b.nodes.at(n.parent).flags |= flagWay
		}
	}
	return order
}

// encoder writes the parts of the file.
type encoder struct {
	b   *Builder
	w   io.Writer
	sum interface {
		Sum32() uint32
		io.Writer
	}
	err   error
	names uint32
	// extras is where each stands, from 1.
	extras     map[int32]uint32
	extraOrder []int32
	extraEnd   uint32
}

func (w *encoder) write(p []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(p)
	}
}

func (w *encoder) nodes(order []int32) {
	next := uint32(1)
	out := make([]byte, 0, nodeSize)
	for _, number := range order {
		n := w.b.nodes.at(number)
		r := record{
			Name: w.names, NameLen: n.name.size, Flags: n.flags, MagicLen: n.magicLen, Mode: uint32(n.mode),
			UID: n.uid, GID: n.gid, Magic: n.magic, Child: next, Extra: w.place(n.extra),
		}
		for child := n.child; child != none; child = w.b.nodes.at(child).next {
			if !w.b.nodes.at(child).gone {
				r.Children++
			}
		}
		next += r.Children
		w.names += uint32(n.name.size)
		w.write(r.append(out))
	}
}

// place is where what a node has besides is going to stand.
func (w *encoder) place(number int32) uint32 {
	if number == 0 {
		return 0
	}
	at, ok := w.extras[number]
	if !ok {
		at = w.extraEnd + 1
		w.extras[number] = at
		w.extraOrder = append(w.extraOrder, number)
		x := w.b.inner.at(number)
		w.extraEnd += uint32(extraSize + len(x.link) + len(x.attribute) + len(x.library))
	}
	return at
}

func (w *encoder) extra(x *extra) {
	out := make([]byte, 0, extraSize)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(x.link)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(x.attribute)))
	out = binary.LittleEndian.AppendUint64(out, uint64(x.head.at))
	out = binary.LittleEndian.AppendUint32(out, uint32(x.head.size))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(x.library)))
	w.write(out)
	w.write([]byte(x.link))
	w.write(x.attribute)
	w.write(x.library)
}

func (r *record) append(out []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, r.Name)
	out = binary.LittleEndian.AppendUint16(out, r.NameLen)
	out = append(out, r.Flags, r.MagicLen)
	out = binary.LittleEndian.AppendUint32(out, r.Mode)
	out = binary.LittleEndian.AppendUint32(out, r.UID)
	out = binary.LittleEndian.AppendUint32(out, r.GID)
	out = append(out, r.Magic[:]...)
	out = binary.LittleEndian.AppendUint32(out, r.Child)
	out = binary.LittleEndian.AppendUint32(out, r.Children)
	return binary.LittleEndian.AppendUint32(out, r.Extra)
}

// summary lists what is asked for in a list.
func (b *Builder) summary(order []int32) *summary {
	out := &summary{}
	capable := map[int32]int{}
	for _, number := range order {
		n := b.nodes.at(number)
		if n.flags&flagEntry == 0 {
			continue
		}
		if n.mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 && n.mode.IsRegular() {
			out.SetID = append(out.SetID, b.path(number))
		}
		x := b.inner.at(n.extra)
		if n.flags&flagBelow != 0 {
			out.Links = append(out.Links, Link{Path: b.path(number), Target: x.link})
		}
		if x.attribute == nil {
			continue
		}
		at, ok := capable[n.extra]
		if !ok {
			at = len(out.Capable)
			capable[n.extra] = at
			out.Capable = append(out.Capable, Capable{File: int(n.extra), Attribute: x.attribute, Program: x.program})
		}
		out.Capable[at].Names = append(out.Capable[at].Names, b.path(number))
	}
	return out
}
