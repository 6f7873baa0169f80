package tarwalk

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/internal/limit"
)

// Types of entries that matter here.
const (
	TypeReg     = '0'
	TypeLink    = '1'
	TypeSymlink = '2'
	TypeDir     = '5'

	typeOldReg   = 0
	typeGlobal   = 'g'
	typePAX      = 'x'
	typeLongName = 'L'
	typeLongLink = 'K'
	typeSparse   = 'S'
)

// Where a header block has its fields.
const (
	nameSize    = 100
	modeAt      = 100
	uidAt       = 108
	uidEnd      = 116
	gidEnd      = 124
	sizeAt      = 124
	sumAt       = 148
	sumEnd      = 156
	typeAt      = 156
	linkAt      = 157
	linkEnd     = 257
	magicAt     = 257
	userAt      = 265
	userEnd     = 297
	prefixAt    = 345
	prefixEnd   = 500
	starTrailer = 508
	starPrefix  = 476
)

// header is what is read of a header block.
type header struct {
	kind       byte
	size       int64
	mode       int64
	uid, gid   int64
	name, link string
	gnu        bool
}

func parseHeader(b []byte) (header, error) {
	unsigned, signed := sums(b)
	sum, err := number(b[sumAt:sumEnd])
	if err != nil || sum != unsigned && sum != signed {
		return header{}, fmt.Errorf("%w: wrong checksum of a header", ErrFormat)
	}
	h := header{kind: b[typeAt], name: cut(b[:nameSize]), link: cut(b[linkAt:linkEnd])}
	if h.size, err = number(b[sizeAt : sizeAt+12]); err != nil || h.size < 0 || h.size > math.MaxInt64-blockSize {
		return header{}, fmt.Errorf("%w: %q: wrong size %q", ErrFormat, h.name, b[sizeAt:sizeAt+12])
	}
	if h.mode, err = number(b[modeAt:uidAt]); err != nil {
		return header{}, fmt.Errorf("%w: %q: wrong mode %q", ErrFormat, h.name, b[modeAt:uidAt])
	}
	if h.uid, err = number(b[uidAt:uidEnd]); err != nil {
		return header{}, fmt.Errorf("%w: %q: wrong owner %q", ErrFormat, h.name, b[uidAt:uidEnd])
	}
	if h.gid, err = number(b[uidEnd:gidEnd]); err != nil {
		return header{}, fmt.Errorf("%w: %q: wrong group %q", ErrFormat, h.name, b[uidEnd:gidEnd])
	}
	switch magic := string(b[magicAt : magicAt+8]); {
	case magic == "ustar  \x00":
		h.gnu = true
	case strings.HasPrefix(magic, "ustar\x00"):
		end := prefixEnd
		if string(b[starTrailer:starTrailer+4]) == "tar\x00" {
			end = starPrefix
		}
		if prefix := cut(b[prefixAt:end]); prefix != "" {
			h.name = prefix + "/" + h.name
		}
	}
	return h, nil
}

// sums returns the checksum of a header block, and as some old writers computed
// it, with bytes that have signs.
func sums(b []byte) (unsigned, signed int64) {
	for i, c := range b[:blockSize] {
		if i >= sumAt && i < sumEnd {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return unsigned, signed
}

// number reads a field: octal, or in the base 256 of GNU tar.
func number(b []byte) (int64, error) {
	if b[0]&0x80 == 0 {
		s := strings.Trim(string(b), " \x00")
		if s == "" {
			return 0, nil
		}
		v, err := strconv.ParseUint(cut([]byte(s)), 8, 63)
		return int64(v), err
	}
	negative := byte(0)
	if b[0]&0x40 != 0 {
		negative = 0xff
	}
	var v uint64
	for i, c := range b {
		c ^= negative
		if i == 0 {
			c &= 0x7f
		}
		if v>>56 != 0 {
			return 0, strconv.ErrRange
		}
		v = v<<8 | uint64(c)
	}
	if v>>63 != 0 {
		return 0, strconv.ErrRange
	}
	if negative != 0 {
		return ^int64(v), nil
	}
	return int64(v), nil
}

// cut returns the text before the first zero byte.
func cut(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// finish takes what the extended headers say over the main one.
func (e *Entry) finish(h header) error {
	e.Type, e.Size, e.Name, e.Linkname = h.kind, h.size, h.name, h.link
	e.Mode, e.UID, e.GID = h.mode, h.uid, h.gid
	name, link, err := e.extensions()
	if err != nil {
		return err
	}
	last := map[string]Record{}
	for _, r := range e.Records {
		last[r.Key] = r
	}
	for _, key := range takenOver {
		if err := e.take(last[key]); err != nil {
			return err
		}
	}
	if name != "" {
		e.Name = name
	}
	if link != "" {
		e.Linkname = link
	}
	if err := e.checkNames(); err != nil {
		return err
	}
	switch {
	case e.Type == typeOldReg && strings.HasSuffix(e.Name, "/"):
		e.Type = TypeDir
	case e.Type == typeOldReg:
		e.Type = TypeReg
	}
	switch e.Type {
	case TypeLink, TypeSymlink, '3', '4', TypeDir, '6':
		e.Size = 0 // these have no content, whatever they say
	}
	return nil
}

// checkNames holds the names to their limits.
func (e *Entry) checkNames() error {
	for _, name := range []string{e.Name, e.Linkname} {
		err := limit.Name.Check(int64(len(name)))
		if err == nil {
			err = limit.Folders.Check(int64(strings.Count(name, "/")))
		}
		if err != nil {
			return fmt.Errorf("%w: %.60q...: %w", ErrFormat, name, err)
		}
	}
	return nil
}

// Global reports whether the entry is a PAX header for all that follow, and no
// file.
func (e *Entry) Global() bool { return e.Type == typeGlobal }

// Sparse reports whether the entry's content is not that of its file, but a part
// of it with a list of places.
func (e *Entry) Sparse() bool {
	return e.Type == typeSparse || slices.ContainsFunc(e.Records, func(r Record) bool { return strings.HasPrefix(r.Key, "GNU.sparse.") })
}

// setSum writes the checksum of a header block, in the form that all writers
// use.
func setSum(b []byte) {
	sum, _ := sums(b)
	copy(b[sumAt:sumEnd], fmt.Sprintf("%06o\x00 ", sum))
}

// maxOctal is the largest size that fits the field in octal.
const maxOctal = 1<<33 - 1

// setSize writes the size of a header block, and its checksum.
func setSize(b []byte, size int64) error {
	if size > maxOctal {
		return fmt.Errorf("%d bytes don't fit a tar header", size)
	}
	copy(b[sizeAt:sizeAt+12], fmt.Sprintf("%011o\x00", size))
	setSum(b)
	return nil
}

// WithSize returns the headers with another size.
func (e *Entry) WithSize(size int64) ([]byte, error) {
	if size == e.Size {
		return e.Raw, nil
	}
	for _, r := range e.Records {
		if r.Key == "size" {
			return nil, fmt.Errorf("%s: its size is in a PAX record, which can't be changed", e.Name)
		}
	}
	out := bytes.Clone(e.Raw)
	if err := setSize(out[e.header:e.header+blockSize], size); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	return out, nil
}

// Renamed returns headers of the entry in which one text stands for another of
// the same length, in names above all.
func (e *Entry) Renamed(raw []byte, from, to string) []byte {
	if len(from) != len(to) || !bytes.Contains(raw, []byte(from)) {
		return raw
	}
	out := bytes.ReplaceAll(raw, []byte(from), []byte(to))
	for _, s := range e.extension {
		setSum(out[s.begin : s.begin+blockSize])
	}
	setSum(out[e.header : e.header+blockSize])
	return out
}
