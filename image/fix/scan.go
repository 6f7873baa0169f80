package fix

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/limit"
)

// layer is one layer, which several images may have.
type layer struct {
	blob   *file
	meter  *meter.Meter
	digest string // of the blob, as an OCI descriptor gives it, or ""
	// diffIDs are what configurations give as the digest of its archive. They are
	// one, if nothing is wrong.
	diffIDs map[string]bool

	compression compression
	index       *gzpatch.Index // of a gzip layer
	names       names
	capable     []*capable // entries with the attribute, and hard links
	scanned     chan struct{}
	ok          bool // it was scanned without an error
	warnings    []string
	contents    *os.File // those that are kept, one after the other
	kept        int64    // bytes in it
	launchers   int      // how many programs get one

	changed *changed // nil if it stays
	files   []FileChange
}

// compression of a layer, by its first bytes: media types are often wrong.
type compression string

const (
	plain   compression = "uncompressed"
	gzipped compression = "gzip"
	zstded  compression = "zstd"
)

// capable is an entry of a layer that may have to change.
type capable struct {
	entry   tarwalk.Entry
	path    string
	target  string // of a hard link
	ordinal int
	// seenAs are the names under which a container of some image sees it.
	seenAs map[string]bool
	// The attribute, as the last of the records gives it.
	has       bool
	attribute []byte
	caps      filecap.Caps
	// content is that of a regular file with the attribute, if it was asked for.
	content *io.SectionReader
	mode    Mode // what becomes of it; "" as of what is left as it is
}

// regular reports whether the entry's content is that of its file.
func (c *capable) regular() bool {
	return c.entry.Type == tarwalk.TypeReg &&
		!slices.ContainsFunc(c.entry.Records, func(r tarwalk.Record) bool { return strings.HasPrefix(r.Key, "GNU.sparse.") })
}

// names is which paths a layer has. It holds hashes of them, since there may be
// millions.
type names struct {
	seed      maphash.Seed
	entries   map[uint64]nameInfo
	whiteouts map[uint64]bool
	opaques   map[uint64]bool
}

type nameInfo struct {
	last int32 // the ordinal of the last entry with this name
	uid  uint32
	mode uint16 // with the kind, as stat(2) gives it
}

func (i nameInfo) dir() bool { return i.mode&0o170000 == 0o040000 }

// Whiteouts of the OCI image specification, "Layer".
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

func detect(r io.ReaderAt) (compression, error) {
	var magic [4]byte
	n, err := r.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	switch {
	case bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b}):
		return gzipped, nil
	case string(magic[:]) == "\x28\xb5\x2f\xfd", bytes.HasPrefix(magic[1:], []byte("\x2a\x4d\x18")) && magic[0]>>4 == 5:
		return zstded, nil
	}
	return plain, nil
}

func newZstd(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(limit.Window.Most)))
}

// scratchFile makes a file that is gone afterwards.
type scratchFile func() (*os.File, error)

// scan reads the layer. Contents of files with the attribute are kept if there is
// a place for them.
func (l *layer) scan(keep scratchFile) error {
	var err error
	if l.compression, err = detect(l.blob); err != nil {
		return err
	}
	l.meter.Packed(l.blob.Size())
	switch l.compression {
	case gzipped:
		r := gzpatch.NewReader(l.blob, l.blob.Size())
		err = l.walk(l.meter.Reader(r), keep)
		if slices.ContainsFunc(l.capable, func(c *capable) bool { return c.has }) {
			l.index = r.Index() // of the others nothing changes
		}
	case zstded:
		var r *zstd.Decoder
		if r, err = newZstd(io.NewSectionReader(l.blob, 0, l.blob.Size())); err != nil {
			return err
		}
		defer r.Close()
		err = l.walk(l.meter.Reader(r), keep)
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = &limit.Error{Limit: limit.Window}
		}
	default:
		err = l.walk(io.NewSectionReader(l.blob, 0, l.blob.Size()), keep)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.compression, err)
	}
	return nil
}

func (l *layer) walk(r io.Reader, keep scratchFile) error {
	l.names = names{maphash.MakeSeed(), map[uint64]nameInfo{}, map[uint64]bool{}, map[uint64]bool{}}
	w := tarwalk.New(r)
	for ordinal := 0; ; ordinal++ {
		e, err := w.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Global() {
			continue
		}
		name := path.Clean("/" + e.Name)
		c, err := l.entry(e, name, ordinal)
		if err != nil {
			return err
		}
		if !c.has && c.target == "" {
			continue
		}
		if err := l.meter.Keep(len(e.Raw) + len(name)); err != nil {
			return err
		}
		l.capable = append(l.capable, c)
		if keep != nil && c.has && c.regular() {
			if err := l.keep(c, w, keep); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
}

// entry notes an entry, and returns what may have to change of it.
func (l *layer) entry(e *tarwalk.Entry, name string, ordinal int) (*capable, error) {
	if err := l.meter.Entry(); err != nil {
		return nil, err
	}
	l.names.add(name, e, ordinal)
	c := &capable{entry: *e, path: name, ordinal: ordinal}
	if e.Type == tarwalk.TypeLink {
		c.target = path.Clean("/" + e.Linkname)
	}
	if err := c.read(); err != nil {
		return c, l.warn(fmt.Sprintf("%s: %v; left as it is", name, err))
	}
	return c, nil
}

// warn keeps a warning.
func (l *layer) warn(text string) error {
	l.warnings = append(l.warnings, text)
	return l.meter.Keep(len(text))
}

// keep keeps the content of an entry: where it is, or decompressed in a file.
func (l *layer) keep(c *capable, content io.Reader, scratch scratchFile) error {
	if l.compression == plain {
		c.content = io.NewSectionReader(l.blob, c.entry.DataOffset(), c.entry.Size)
		return nil
	}
	if err := l.meter.Content(c.entry.Size); err != nil {
		return err
	}
	if l.contents == nil {
		var err error
		if l.contents, err = scratch(); err != nil {
			return err
		}
	}
	n, err := io.Copy(l.contents, content)
	c.content = io.NewSectionReader(l.contents, l.kept, n)
	l.kept += n
	return err
}

// contentOf returns the content of an entry, which for a hard link is that of
// another in its layer; nil if it is not known.
func (l *layer) contentOf(c *capable) *io.SectionReader {
	for i, other := range slices.Backward(l.capable) {
		if c.target == "" {
			break
		}
		if other.path == c.target && other.ordinal < c.ordinal {
			c = l.capable[i]
		}
	}
	return c.content
}

func (n *names) hash(name string) uint64 { return maphash.String(n.seed, name) }

func (n *names) add(name string, e *tarwalk.Entry, ordinal int) {
	parent, base := path.Split(name)
	switch {
	case base == opaque:
		n.opaques[n.hash(path.Clean(parent))] = true
	case strings.HasPrefix(base, whiteout):
		n.whiteouts[n.hash(path.Join(parent, strings.TrimPrefix(base, whiteout)))] = true
	default:
		n.entries[n.hash(name)] = nameInfo{int32(ordinal), ownerOf(e), uint16(modeOf(e))}
	}
}

// hides reports whether a layer with these names hides a path of layers below.
func (n *names) hides(name string) bool {
	h := n.hash(name)
	if _, there := n.entries[h]; there || n.whiteouts[h] {
		return true
	}
	if name != "/" && n.closes(n.hash("/")) {
		return true
	}
	// From above, so that no part of the name is hashed twice.
	var above maphash.Hash
	above.SetSeed(n.seed)
	for {
		end := strings.IndexByte(name[1:], '/') + 1
		if end == 0 {
			return false
		}
		_, _ = above.WriteString(name[:end]) // never fails
		if n.closes(above.Sum64()) {
			return true
		}
		name = name[end:]
	}
}

// closes reports whether a layer hides all that layers below have at a path.
func (n *names) closes(h uint64) bool {
	info, there := n.entries[h]
	return n.whiteouts[h] || n.opaques[h] || there && !info.dir()
}
