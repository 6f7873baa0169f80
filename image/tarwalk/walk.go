// Package tarwalk finds the entries of a tar archive and where in it their parts
// stand, to the byte: headers, PAX records and content.
//
// It is for changing archives without rewriting them. archive/tar reads more
// (sparse maps, times, modes), but does not say where, and writes headers in its
// own way: what it writes differs from what it read.
//
// Where readers differ, tarwalk takes an archive as archive/tar does, which is
// what Docker, containerd and Podman unpack layers with.
package tarwalk

import (
	"errors"
	"fmt"
	"io"

	"github.com/capwise/capwise/internal/limit"
)

const blockSize = 512

// maxHeaders bounds all headers of one entry. archive/tar refuses extended
// headers of more than 1 MiB, too.
var maxHeaders = limit.Headers.Most

// ErrFormat is what an error wraps when the archive is at fault, and not the
// reading of it.
var ErrFormat = errors.New("not a valid tar archive")

// Entry is one file of an archive.
type Entry struct {
	// Offset is where the headers begin.
	Offset int64
	// Raw are the headers, extended ones first: whole blocks.
	Raw []byte
	// Records are the PAX records in Raw that are for this entry alone. Of two with
	// one key the last counts.
	Records []Record
	// Name and Linkname are as archive/tar reads them.
	Name, Linkname string
	// Type is the type flag; that of old archives, 0, is '0'.
	Type byte
	// Size is how many bytes of content follow the headers; padding comes on top.
	Size int64
	// Mode is the permission bits, with set-id and sticky bits; UID and GID are the
	// owner.
	Mode, UID, GID int64

	header    int       // where in Raw the main header begins
	extension []section // extended headers
	old       bool      // old GNU format, whose sparse files have more headers
}

// section is an extended header in Raw: the block, and the data behind it.
type section struct {
	begin, end int
	data       int // length of the data
	kind       byte
}

// DataOffset is where the content begins.
func (e *Entry) DataOffset() int64 { return e.Offset + int64(len(e.Raw)) }

// Padded is the size of the content in whole blocks.
func (e *Entry) Padded() int64 { return padded(e.Size) }

func padded(n int64) int64 { return n + -n&(blockSize-1) }

// Walker reads an archive from front to back.
type Walker struct {
	r       io.Reader
	seeker  *io.SectionReader // r, if it is one: content is passed over
	offset  int64
	content int64 // bytes of content that are not read yet
	padding int64
	scratch []byte
	err     error
}

// New returns a walker of the archive. If r is an [io.SectionReader] it reads
// only the headers, and of content only what it is asked for.
func New(r io.Reader) *Walker {
	w := &Walker{r: r}
	w.seeker, _ = r.(*io.SectionReader)
	return w
}

// Next returns the next entry, or [io.EOF] behind the last. What follows the two
// blocks of zeros that end an archive is read, and not looked at.
func (w *Walker) Next() (*Entry, error) {
	if w.err != nil {
		return nil, w.err
	}
	e, err := w.next()
	if err != nil {
		w.err = err
		if !errors.Is(err, io.EOF) {
			w.err = fmt.Errorf("byte %d: %w", w.offset, err)
		}
		return nil, w.err
	}
	return e, nil
}

// Read reads the content of the current entry.
func (w *Walker) Read(p []byte) (int, error) {
	if w.content == 0 {
		return 0, io.EOF
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.content)])
	w.content -= int64(n)
	w.offset += int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if w.content > 0 {
			err = truncated()
		}
	}
	return n, err
}

func truncated() error { return fmt.Errorf("%w: %w", ErrFormat, io.ErrUnexpectedEOF) }

func (w *Walker) next() (*Entry, error) {
	if err := w.pass(w.content + w.padding); err != nil {
		return nil, err
	}
	w.content, w.padding = 0, 0
	e := &Entry{Offset: w.offset}
	for {
		begin := len(e.Raw)
		if err := w.block(e); err != nil {
			return nil, err
		}
		if allZero(e.Raw[begin:]) {
			return nil, w.trailer(e)
		}
		done, err := w.headerBlock(e, begin)
		if err != nil {
			return nil, err
		}
		if done {
			return e, nil
		}
	}
}

// headerBlock takes the header at begin of e.Raw. It reports whether it was the
// main one, and else reads the data behind it.
func (w *Walker) headerBlock(e *Entry, begin int) (bool, error) {
	h, err := parseHeader(e.Raw[begin:])
	if err != nil {
		return false, err
	}
	switch h.kind {
	case typePAX, typeLongName, typeLongLink:
		s := section{begin: begin, data: int(h.size), kind: h.kind}
		if h.size > maxHeaders {
			return false, fmt.Errorf("%w: an extended header of %d bytes: %w", ErrFormat, h.size, limit.Headers.Check(h.size))
		}
		if err := w.more(e, int(padded(h.size))); err != nil {
			return false, err
		}
		s.end = len(e.Raw)
		e.extension = append(e.extension, s)
		return false, nil
	}
	e.header, e.old = begin, h.gnu
	if err := e.finish(h); err != nil {
		return false, err
	}
	if h.gnu && h.kind == typeSparse {
		if err := w.sparseHeaders(e); err != nil {
			return false, err
		}
	}
	w.content, w.padding = e.Size, e.Padded()-e.Size
	return true, nil
}

// sparseHeaders reads the blocks in which the old GNU format goes on listing the
// parts of a sparse file.
func (w *Walker) sparseHeaders(e *Entry) error {
	more := e.Raw[e.header+482] != 0
	for more {
		if err := w.more(e, blockSize); err != nil {
			return err
		}
		more = e.Raw[len(e.Raw)-blockSize+504] != 0
	}
	return nil
}

// block reads a block of headers. At the end of the archive it returns io.EOF.
func (w *Walker) block(e *Entry) error {
	begin := len(e.Raw)
	err := w.more(e, blockSize)
	if begin == 0 && len(e.Raw) == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// more reads n bytes of headers.
func (w *Walker) more(e *Entry, n int) error {
	begin := len(e.Raw)
	if err := limit.Headers.Check(int64(begin + n)); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	// In pieces, so that a length alone makes nobody ask for memory.
	for len(e.Raw) < begin+n {
		piece := min(n-(len(e.Raw)-begin), 64<<10)
		at := len(e.Raw)
		e.Raw = append(e.Raw, make([]byte, piece)...)
		read, err := io.ReadFull(w.r, e.Raw[at:])
		w.offset += int64(read)
		if err != nil {
			e.Raw = e.Raw[:at+read]
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return truncated()
			}
			return err
		}
	}
	return nil
}

// discarder is a reader that can pass over content faster than by reading it.
type discarder interface {
	Discard(n int64) (int64, error)
}

// pass passes over n bytes.
func (w *Walker) pass(n int64) error {
	if w.seeker != nil && n > blockSize {
		// The last block is read, to know that it is there.
		at, err := w.seeker.Seek(n-blockSize, io.SeekCurrent)
		if err != nil {
			return err
		}
		if at > w.seeker.Size() {
			return truncated()
		}
		w.offset += n - blockSize
		n = blockSize
	}
	if d, ok := w.r.(discarder); ok {
		read, err := d.Discard(n)
		w.offset += read
		if errors.Is(err, io.EOF) {
			err = truncated()
		}
		return err
	}
	if w.scratch == nil {
		w.scratch = make([]byte, 32<<10)
	}
	for n > 0 {
		read, err := w.r.Read(w.scratch[:min(n, int64(len(w.scratch)))])
		n -= int64(read)
		w.offset += int64(read)
		if n > 0 && errors.Is(err, io.EOF) {
			return truncated()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// trailer holds that a second block of zeros follows the first, as archive/tar
// does, and reads what is left.
func (w *Walker) trailer(e *Entry) error {
	if len(e.Raw) > blockSize {
		return fmt.Errorf("%w: an extended header without an entry", ErrFormat)
	}
	err := w.block(e)
	if err == nil && !allZero(e.Raw[blockSize:]) {
		return fmt.Errorf("%w: one block of zeros alone", ErrFormat)
	}
	if err != nil && (len(e.Raw) != blockSize || !errors.Is(err, io.ErrUnexpectedEOF)) {
		return err
	}
	n, err := io.Copy(io.Discard, w.r)
	w.offset += n
	if err != nil {
		return err
	}
	return io.EOF
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
