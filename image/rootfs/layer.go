package rootfs

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/limit"
)

// layer is where a layer's blob comes from.
type layer interface {
	// open returns the blob, compressed or not, and its size.
	open() (io.ReadCloser, int64, error)
}

// item is one entry of a layer.
type item struct {
	name     string
	hard     string // target of a hard link
	mode     fs.FileMode
	uid, gid uint32
	magic    [magicSize]byte
	magicLen uint8
	extra    *extra
}

// weight is about how much memory an item takes.
func (i *item) weight() int64 {
	w := int64(200 + len(i.name) + len(i.hard))
	if i.extra != nil {
		w += int64(len(i.extra.link) + len(i.extra.caps))
	}
	return w
}

// reader reads layers.
type reader struct {
	meter *meter.Meter
	keep  bool // the contents of files with the attribute
	spool *spool
}

// read hands the entries of a layer on.
func (r *reader) read(l layer, emit func(*item) error) error {
	blob, size, err := l.open()
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // opened for reading
	r.meter.Packed(size)
	archive, done, err := r.unpacked(blob, size)
	if err != nil {
		return err
	}
	defer done()
	w := tarwalk.New(archive)
	for {
		e, err := w.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.meter.Entry()
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + e.Name)
		if e.Global() || name == "/" {
			continue
		}
		i, err := r.item(name, e, w)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if err := emit(i); err != nil {
			return err
		}
	}
}

// unpacked decompresses a blob by what it is; media types are often wrong.
func (r *reader) unpacked(blob io.Reader, size int64) (io.Reader, func(), error) {
	if file, ok := blob.(io.ReaderAt); ok {
		blob = io.NewSectionReader(file, 0, size)
	}
	front := bufio.NewReaderSize(blob, 64<<10)
	magic, err := front.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	section, seekable := blob.(*io.SectionReader)
	switch {
	case strings.HasPrefix(string(magic), "\x1f\x8b") && seekable: // in half the time
		return r.meter.Reader(gzpatch.NewReader(section, size)), func() {}, nil
	case strings.HasPrefix(string(magic), "\x1f\x8b"):
		z, err := gzip.NewReader(front)
		if err != nil {
			return nil, nil, err
		}
		return r.meter.Reader(z), func() {}, nil
	case string(magic) == "\x28\xb5\x2f\xfd", len(magic) == 4 && string(magic[1:]) == "\x2a\x4d\x18" && magic[0]>>4 == 5:
		return r.zstd(front)
	case seekable:
		return io.NewSectionReader(section, 0, size), func() {}, nil
	}
	return front, func() {}, nil
}

func (r *reader) zstd(blob io.Reader) (io.Reader, func(), error) {
	z, err := zstd.NewReader(blob, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(limit.Window.Most)))
	if err != nil {
		return nil, nil, err
	}
	return r.meter.Reader(windowed{z}), z.Close, nil
}

// windowed words the error of a window that is too large.
type windowed struct{ io.Reader }

// Read implements [io.Reader].
func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = &limit.Error{Limit: limit.Window}
	}
	return n, err
}

func (r *reader) item(name string, e *tarwalk.Entry, content io.Reader) (*item, error) {
	i := &item{name: name, mode: modeOf(e), uid: idOf(e.UID), gid: idOf(e.GID)}
	if e.Type == tarwalk.TypeLink {
		i.hard = path.Clean("/" + e.Linkname)
		return i, nil
	}
	caps, err := capsOf(e.Records)
	if err != nil {
		return nil, err
	}
	x := extra{link: e.Linkname, caps: caps}
	if e.Type == tarwalk.TypeReg && !e.Sparse() {
		if err := r.contents(i, &x, e.Size, content); err != nil {
			return nil, err
		}
	}
	if x.link != "" || x.caps != nil || x.head.size > 0 {
		i.extra = &x
	}
	return i, nil
}

// idOf returns a number as Linux has it; for one that it has not, nobody's.
func idOf(n int64) uint32 {
	if n < 0 || n > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(n)
}

// modeOf returns the mode of an entry as package fs counts it.
func modeOf(e *tarwalk.Entry) fs.FileMode {
	m := fs.FileMode(e.Mode & 0o777)
	for bit, is := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if e.Mode&bit != 0 {
			m |= is
		}
	}
	switch e.Type {
	case tarwalk.TypeSymlink:
		m |= fs.ModeSymlink
	case tarwalk.TypeDir:
		m |= fs.ModeDir
	case '3':
		m |= fs.ModeDevice | fs.ModeCharDevice
	case '4':
		m |= fs.ModeDevice
	case '6':
		m |= fs.ModeNamedPipe
	}
	return m
}

const (
	magicSize = 4
	// keptSize is how much is kept of files that are read: scripts, for what they
	// execute, and the lists of users and groups. Where there are very many, it is
	// what the kernel reads of a script.
	keptSize   = 64 << 10
	leastSize  = 256
	manyScript = 256 << 20
)

// contents keeps what is looked at of a regular file.
func (r *reader) contents(i *item, x *extra, size int64, content io.Reader) error {
	if r.keep && x.caps != nil {
		if err := r.meter.Content(size); err != nil {
			return err
		}
		var err error
		if x.content, err = r.spool.add(content, size); err != nil {
			return err
		}
		content = r.spool.section(x.content)
	}
	n, err := io.ReadFull(content, i.magic[:])
	i.magicLen = uint8(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if string(i.magic[:2]) != "#!" && i.name != "/etc/passwd" && i.name != "/etc/group" {
		return nil
	}
	most := int64(keptSize)
	if r.spool.size() > manyScript {
		most = leastSize
	}
	head := io.MultiReader(strings.NewReader(string(i.magic[:])), content)
	x.head, err = r.spool.add(io.LimitReader(head, min(most, size)), min(most, size))
	return err
}

// capsOf returns the attribute security.capability from the records that GNU
// tar and bsdtar write. The last counts, and GNU tar's where there are both.
func capsOf(records []tarwalk.Record) (caps []byte, err error) {
	for _, r := range slices.Backward(records) {
		switch r.Key {
		case "SCHILY.xattr.security.capability":
			return append([]byte{}, r.Value...), nil
		case "LIBARCHIVE.xattr.security.capability":
			if caps != nil {
				continue
			}
			if caps, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(string(r.Value), "=")); err != nil {
				return nil, fmt.Errorf("LIBARCHIVE.xattr.security.capability: %w", err)
			}
		}
	}
	return caps, nil
}
