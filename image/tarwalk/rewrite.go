package tarwalk

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// Rewrite says in what the headers of an entry are to change.
type Rewrite struct {
	// Suffix comes at the end of the name.
	Suffix string
	// Size is that of the content.
	Size int64
	// Drop names the PAX records that go.
	Drop func(key string) bool
	// Add are PAX records that come, of which only Key and Value count. They want
	// an entry that has some already.
	Add []Record
	// RootOnly makes root the owner, and takes from others the right to write.
	RootOnly bool
}

// Rewritten returns the entry's headers with the changes made. They keep the
// form that they have: a longer name goes where the old one stands, and into a
// PAX record only if it does not fit there.
func (e *Entry) Rewritten(c Rewrite) ([]byte, error) {
	main := bytes.Clone(e.Raw[e.header:])
	if !e.appendName(main, c.Suffix) {
		c.Add = append(slices.Clone(c.Add), Record{Key: "path", Value: []byte(e.Name + c.Suffix)})
	}
	if c.Size != e.Size {
		for _, r := range e.Records {
			if r.Key == "size" && !c.Drop("size") {
				return nil, fmt.Errorf("%s: its size is in a PAX record, which can't be changed", e.Name)
			}
		}
		if err := setSize(main[:blockSize], c.Size); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if c.RootOnly {
		e.makeRoots(main)
	}
	out, err := e.extended(c)
	return append(out, main...), err
}

// makeRoots writes owner and mode of an entry that becomes root's. Engines go by the
// number; the name is for tar.
func (e *Entry) makeRoots(main []byte) {
	copy(main[modeAt:uidAt], fmt.Sprintf("%07o\x00", e.Mode&maxMode&^othersWrite))
	copy(main[uidAt:uidEnd], fmt.Sprintf("%07o\x00", 0))
	if bytes.HasPrefix(main[magicAt:], []byte("ustar")) && main[userAt] != 0 {
		copy(main[userAt:userEnd], append([]byte("root"), make([]byte, userEnd-userAt-len("root"))...))
	}
	setSum(main[:blockSize])
}

const (
	othersWrite = 0o022
	maxMode     = 0o7777777 // what fits the field
)

// ofOwner reports whether a record is about the user that owns the entry.
func ofOwner(key string) bool { return key == "uid" || key == "uname" }

// appendName appends to the name in the main header, as far as it fits. It reports
// whether the name is complete there or is in an extended header.
func (e *Entry) appendName(main []byte, suffix string) bool {
	if suffix == "" {
		return true
	}
	if name := cut(main[:nameSize]); len(name)+len(suffix) <= nameSize {
		copy(main[len(name):], suffix)
		setSum(main[:blockSize])
		return true
	}
	return slices.ContainsFunc(e.extension, func(s section) bool { return s.kind == typeLongName }) ||
		slices.ContainsFunc(e.Records, isName)
}

func isName(r Record) bool { return r.Key == "path" && len(r.Value) > 0 }

// extended returns the extended headers with the changes made. A PAX header that
// has no records any more is left out whole.
func (e *Entry) extended(c Rewrite) ([]byte, error) {
	var out []byte
	last := -1
	for i, s := range e.extension {
		if s.kind == typePAX {
			last = i
		}
	}
	if last < 0 && len(c.Add) > 0 {
		return nil, fmt.Errorf("%s: it has no PAX header, which %s would have to be in", e.Name, c.Add[0].Key)
	}
	for i, s := range e.extension {
		old := e.Raw[s.begin+blockSize : s.begin+blockSize+s.data]
		data := old
		switch {
		case s.kind == typePAX:
			data = e.records(s, c)
			if i == last {
				for _, r := range c.Add {
					data = append(data, formatRecord(r.Key, r.Value)...)
				}
			}
		case s.kind == typeLongName && c.Suffix != "":
			data = []byte(cut(old) + c.Suffix + "\x00")
		}
		switch {
		case bytes.Equal(old, data):
			out = append(out, e.Raw[s.begin:s.end]...)
		case len(data) > 0:
			at := len(out)
			out = append(out, e.Raw[s.begin:s.begin+blockSize]...)
			if err := setSize(out[at:], int64(len(data))); err != nil {
				return nil, err
			}
			out = append(out, data...)
			out = append(out, make([]byte, -len(data)&(blockSize-1))...)
		}
	}
	return out, nil
}

// records returns the records of a PAX header that stay.
func (e *Entry) records(s section, c Rewrite) []byte {
	var data []byte
	for _, r := range e.Records {
		switch {
		case r.begin < s.begin || r.begin >= s.end || c.Drop(r.Key) || c.RootOnly && ofOwner(r.Key):
		case c.Suffix != "" && isName(r):
			data = append(data, formatRecord(r.Key, []byte(string(r.Value)+c.Suffix))...)
		default:
			data = append(data, e.Raw[r.begin:r.end]...)
		}
	}
	return data
}

// formatRecord returns "LENGTH KEY=VALUE\n", where the length counts itself.
func formatRecord(key string, value []byte) []byte {
	rest := len(" =\n") + len(key) + len(value)
	n := rest + len(strconv.Itoa(rest))
	n = rest + len(strconv.Itoa(n))
	return fmt.Appendf(nil, "%d %s=%s\n", n, key, value)
}
