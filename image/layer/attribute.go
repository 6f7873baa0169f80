package layer

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/tarwalk"
)

// The records that hold the attribute: as GNU tar, Docker and Podman write it,
// and as bsdtar does, in base64.
const (
	schily     = "SCHILY.xattr.security.capability"
	libarchive = "LIBARCHIVE.xattr.security.capability"
)

func isAttribute(key string) bool { return key == schily || key == libarchive }

// value returns the attribute's bytes of a record. What is no base64 stays as it is,
// and is no attribute that the kernel takes.
func value(r tarwalk.Record) []byte {
	if r.Key == libarchive {
		if b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(r.Value), "=")); err == nil {
			return b
		}
	}
	return r.Value
}

// attributeOf returns the attribute from the records, nil if there is none. The last
// counts, and GNU tar's where there are both.
func attributeOf(records []tarwalk.Record) []byte {
	for _, key := range []string{schily, libarchive} {
		for _, r := range slices.Backward(records) {
			if r.Key == key && len(r.Value) > 0 {
				return bytes.Clone(value(r))
			}
		}
	}
	return nil
}

// Entry is an entry of a layer with the attribute.
type Entry struct {
	tarwalk.Entry
	Path string
	// Target is the path that a hard link leads to; "" if the entry is not one.
	Target string
	// File is the number that [facts.Capable] has for its file.
	File      int
	Attribute []byte
	// Content is that of a regular file; nil of a hard link and of a sparse file.
	Content *io.SectionReader
}

// Caps parses the attribute.
func (e *Entry) Caps() (filecap.Caps, error) { return filecap.Parse(e.Attribute) }

// Edit is a change of a layer's uncompressed archive: New stands for Old at Offset.
type Edit struct {
	Offset   int64
	Old, New []byte
}

// Edits returns the changes by which the entry's attribute becomes permitted only, or
// goes away.
func (e *Entry) Edits(mode fix.Mode) ([]Edit, error) {
	if mode == fix.Strip {
		raw, err := e.Without(isAttribute)
		if err != nil || bytes.Equal(raw, e.Raw) {
			return nil, err
		}
		return []Edit{difference(e.Offset, e.Raw, raw)}, nil
	}
	var out []Edit
	for _, r := range e.Records {
		if !isAttribute(r.Key) || len(r.Value) == 0 {
			continue
		}
		old := value(r)
		caps, err := filecap.Parse(old)
		if err != nil {
			return nil, err
		}
		if !caps.Effective || fix.OnlyInheritable(caps) {
			continue
		}
		changed := bytes.Clone(r.Value)
		if r.Key == schily {
			changed[0] &^= 1
		} else {
			b := bytes.Clone(old)
			b[0] &^= 1
			copy(changed, base64.RawStdEncoding.EncodeToString(b))
		}
		out = append(out, difference(e.Offset+int64(r.At), r.Value, changed))
	}
	return out, nil
}

// difference returns the edit that makes old at an offset new, without what the
// two begin and end with alike.
func difference(offset int64, old, changed []byte) Edit {
	n := 0
	for n < len(old) && n < len(changed) && old[n] == changed[n] {
		n++
	}
	old, changed = old[n:], changed[n:]
	tail := 0
	for tail < len(old) && tail < len(changed) && old[len(old)-1-tail] == changed[len(changed)-1-tail] {
		tail++
	}
	return Edit{offset + int64(n), old[:len(old)-tail], changed[:len(changed)-tail]}
}
