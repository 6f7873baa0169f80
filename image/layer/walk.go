package layer

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/gzpatch"
	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/limit"
)

// walk is one layer that is read.
type walk struct {
	reader   *Reader
	builder  *facts.Builder
	editable *Editable // nil if it is not going to be changed
	turn     *turn
	spool    spool
	// libraries holds one library at a time.
	libraries spool
	gzip      *gzpatch.Reader
	plain     io.ReaderAt // the archive, if it is not compressed
}

func (w *walk) read(s Source) (_ *facts.Layer, err error) {
	defer func() {
		if err != nil {
			w.reader.failed.Store(true)
		}
	}()
	if w.reader.failed.Load() {
		return nil, ErrStopped
	}
	blob, size, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }() // opened for reading
	w.builder, w.turn = facts.NewBuilder(), w.reader.turns.begin()
	defer w.turn.end()
	w.reader.meter.Packed(size)
	key := s.Key()
	digest := key
	if _, checks := blob.(interface{ ChecksDigest() }); checks {
		digest = ""
	}
	blob = w.reader.progress.counted(blob)
	if err := verified(blob, size, digest, func(blob io.Reader) error { return w.blob(blob, size) }); err != nil {
		return nil, errors.Join(err, w.builder.Close())
	}
	l, err := w.reader.cache.Finish(w.builder, key)
	if err != nil {
		return nil, err
	}
	return w.reader.counted(l, nil)
}

// blob reads a blob, compressed or not, by what it is: media types are often wrong.
func (w *walk) blob(blob io.Reader, size int64) error {
	archive, done, err := w.unpacked(blob, size)
	if err != nil {
		return err
	}
	defer done()
	return w.archive(archive)
}

func (w *walk) unpacked(blob io.Reader, size int64) (io.Reader, func(), error) {
	if at, ok := blob.(io.ReaderAt); ok {
		c, err := compression.Detect(at)
		if err != nil {
			return nil, nil, err
		}
		r, done, err := c.Open(at, size)
		if err != nil {
			return nil, nil, err
		}
		w.gzip, _ = r.(*gzpatch.Reader)
		if c == compression.None {
			w.plain = at
		}
		return w.counted(c, r), done, nil
	}
	front := bufio.NewReaderSize(blob, 64<<10)
	head, err := front.Peek(compression.MagicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	c := compression.Of(head)
	r, done, err := c.Stream(front)
	return w.counted(c, r), done, err
}

// counted counts what a compressed layer unpacks to.
func (w *walk) counted(c compression.Kind, r io.Reader) io.Reader {
	if c == compression.None || r == nil {
		return r
	}
	return w.reader.meter.Reader(r)
}

func (w *walk) archive(archive io.Reader) error {
	t := tarwalk.New(archive)
	for entries := int64(1); ; entries++ {
		e, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if w.reader.failed.Load() {
			return ErrStopped
		}
		w.turn.wait(w.builder.Len())
		if err := limit.Entries.Check(entries); err != nil {
			return err
		}
		name := path.Clean("/" + e.Name)
		if e.Global() {
			continue
		}
		if err := w.entry(e, name, t); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
}

func (w *walk) entry(e *tarwalk.Entry, name string, content io.Reader) error {
	i := &facts.Item{Path: name, Mode: modeOf(e), UID: idOf(e.UID), GID: idOf(e.GID), Attribute: attributeOf(e.Records)}
	switch {
	case e.Type == tarwalk.TypeLink:
		i.Hard = path.Clean("/" + e.Linkname)
	case e.Type == tarwalk.TypeSymlink:
		i.Link = e.Linkname
	case e.Type == tarwalk.TypeReg && !e.Sparse():
		var err error
		if content, err = w.content(e, i, content); err != nil {
			return err
		}
	}
	before := w.builder.Kept()
	file, err := w.builder.Add(i)
	if err == nil {
		err = w.reader.meter.Keep(w.builder.Kept() - before)
	}
	if err != nil || w.editable == nil || i.Attribute == nil {
		return err
	}
	kept, _ := content.(*io.SectionReader) // nil for a hard link
	w.editable.Entries = append(w.editable.Entries, &Entry{Entry: *e, Path: name, Target: i.Hard, File: file, Attribute: i.Attribute, Content: kept})
	return w.reader.meter.Keep(len(e.Raw) - len(i.Attribute)) // which is counted, as its name is
}

// content looks at what is in a regular file. Of one with the attribute it returns all.
func (w *walk) content(e *tarwalk.Entry, i *facts.Item, content io.Reader) (io.Reader, error) {
	if i.Attribute != nil {
		kept, err := w.keep(e, content)
		if err != nil {
			return nil, err
		}
		program, err := aware.Detect(kept)
		if err != nil {
			return nil, err
		}
		i.Program, content = &program, kept
		if i.Head, err = head(kept, i.Path, w.builder.HeadSize()); err != nil {
			return nil, err
		}
		_, err = kept.Seek(0, io.SeekStart)
		return content, err
	}
	var err error
	if i.Head, err = head(content, i.Path, w.builder.HeadSize()); err != nil || !isLibrary(e, i) {
		return content, err
	}
	return content, w.library(e, i, content)
}

// mostLibrary is more bytes than a library has that is looked into.
const mostLibrary = 512 << 20

// isLibrary reports whether a file can be a library that a program is linked with.
func isLibrary(e *tarwalk.Entry, i *facts.Item) bool {
	return string(i.Head) == elf.ELFMAG && strings.Contains(path.Base(i.Path), ".so") && e.Size <= mostLibrary
}

// library looks at what a library is linked with. Its head was read already.
func (w *walk) library(e *tarwalk.Entry, i *facts.Item, rest io.Reader) (err error) {
	file := io.NewSectionReader(w.plain, e.DataOffset(), e.Size)
	if w.plain == nil {
		w.libraries.reset() // of the one before only facts are left
		if file, err = w.libraries.add(io.MultiReader(bytes.NewReader(i.Head), rest), e.Size); err != nil {
			return err
		}
	}
	switch linked, err := aware.Library(file); {
	case err == nil:
		i.Library = &linked
	case !errors.Is(err, aware.ErrNoLibrary):
		return err
	}
	return nil
}

// keep returns the content of an entry, where it is or copied to a file.
func (w *walk) keep(e *tarwalk.Entry, content io.Reader) (*io.SectionReader, error) {
	if w.plain != nil {
		return io.NewSectionReader(w.plain, e.DataOffset(), e.Size), nil
	}
	if err := w.reader.meter.Content(e.Size); err != nil {
		return nil, err
	}
	if w.editable == nil {
		w.spool.reset() // of the one before only facts are left
	}
	return w.spool.add(content, e.Size)
}

const magicSize = 4

// head reads the beginning of a file: more than its kind of scripts, and of the files
// of users and groups.
func head(content io.Reader, name string, most int) ([]byte, error) {
	magic := make([]byte, magicSize)
	n, err := io.ReadFull(content, magic)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return magic[:n], nil
	}
	if err != nil || string(magic[:2]) != "#!" && name != "/etc/passwd" && name != "/etc/group" {
		return magic, err
	}
	rest, err := io.ReadAll(io.LimitReader(content, int64(most-magicSize)))
	return append(magic, rest...), err
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
