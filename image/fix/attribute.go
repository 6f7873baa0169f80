package fix

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/capwise/capwise/filecap"
	filefix "github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/tarwalk"
)

// The records that hold the attribute: as GNU tar, Docker and Podman write it,
// and as bsdtar does, in base64.
const (
	schily     = "SCHILY.xattr.security.capability"
	libarchive = "LIBARCHIVE.xattr.security.capability"
)

func isAttribute(key string) bool { return key == schily || key == libarchive }

// value returns the attribute's bytes of a record.
func value(r tarwalk.Record) ([]byte, error) {
	if r.Key == schily {
		return r.Value, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(r.Value), "="))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", libarchive, err)
	}
	return b, nil
}

// read takes the attribute from the records. GNU tar's counts where there are
// both.
func (c *capable) read() error {
	fromSchily := false
	for _, r := range c.entry.Records {
		if !isAttribute(r.Key) || len(r.Value) == 0 {
			continue
		}
		b, err := value(r)
		if err != nil {
			return err
		}
		caps, err := filecap.Parse(b)
		if err != nil {
			return err
		}
		c.has = true
		if r.Key == schily || !fromSchily {
			c.attribute, c.caps, fromSchily = b, caps, r.Key == schily
		}
	}
	return nil
}

// edit is a change of a layer's uncompressed archive.
type edit struct {
	offset   int64
	old, new []byte
}

// edits returns the changes of the entry.
func (c *capable) edits(mode Mode) ([]edit, error) {
	if mode == Strip {
		raw, err := c.entry.Without(isAttribute)
		if err != nil || len(raw) == len(c.entry.Raw) && bytes.Equal(raw, c.entry.Raw) {
			return nil, err
		}
		return []edit{difference(c.entry.Offset, c.entry.Raw, raw)}, nil
	}
	var out []edit
	for _, r := range c.entry.Records {
		if !isAttribute(r.Key) || len(r.Value) == 0 {
			continue
		}
		old, err := value(r)
		if err != nil {
			return nil, err
		}
		caps, err := filecap.Parse(old)
		if err != nil {
			return nil, err
		}
		if !caps.Effective || filefix.OnlyInheritable(caps) {
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
		out = append(out, difference(c.entry.Offset+int64(r.At), r.Value, changed))
	}
	return out, nil
}

// difference returns the edit that makes old at an offset new, without what the
// two begin and end with alike.
func difference(offset int64, old, changed []byte) edit {
	n := 0
	for n < len(old) && n < len(changed) && old[n] == changed[n] {
		n++
	}
	old, changed = old[n:], changed[n:]
	tail := 0
	for tail < len(old) && tail < len(changed) && old[len(old)-1-tail] == changed[len(changed)-1-tail] {
		tail++
	}
	return edit{offset + int64(n), old[:len(old)-tail], changed[:len(changed)-tail]}
}
