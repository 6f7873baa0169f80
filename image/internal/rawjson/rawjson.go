// Package rawjson changes single values of a JSON text and leaves all else as it
// is: unknown members, their order, spaces, numbers that no float64 holds.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/capwise/capwise/internal/limit"
)

// Value is a value and where in the text it stands.
type Value struct {
	// Members are those of an object, Elements those of an array.
	Members  []Member
	Elements []*Value
	// Start and End are offsets in the text.
	Start, End int

	token json.Token
}

// Member is a member of an object.
type Member struct {
	Key   string
	Start int // of the key
	Value *Value
}

// Parse reads a text that holds one value. It refuses objects with two members
// of one name, since readers differ in which they take; names that differ in
// case are one to many of them.
func Parse(text []byte) (*Value, error) {
	p := parser{text: text, d: json.NewDecoder(bytes.NewReader(text))}
	p.d.UseNumber()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more behind the value at byte %d", v.End)
	}
	return v, nil
}

type parser struct {
	text   []byte
	d      *json.Decoder
	values int64
	// exact says that the names of the next object mean nothing to a reader but
	// themselves.
	exact bool
}

// exactNames are the members whose value every reader takes as a table of names
// of the user's own, such as labels. "Name" and "name" are two there.
var exactNames = map[string]bool{"Labels": true, "annotations": true, "Volumes": true, "ExposedPorts": true}

// next returns the next token and where it begins.
func (p *parser) next() (json.Token, int, error) {
	at := int(p.d.InputOffset())
	t, err := p.d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, 0, err
	}
	for bytes.IndexByte([]byte(" \t\r\n,:"), p.text[at]) >= 0 {
		at++
	}
	return t, at, nil
}

func (p *parser) value(depth int) (*Value, error) {
	p.values++
	if err := errors.Join(limit.Depth.Check(int64(depth)), limit.Values.Check(p.values)); err != nil {
		return nil, fmt.Errorf("byte %d: %w", p.d.InputOffset(), err)
	}
	t, at, err := p.next()
	if err != nil {
		return nil, err
	}
	v := &Value{Start: at, token: t}
	if t != json.Delim('{') {
		p.exact = false
	}
	switch t {
	case json.Delim('{'):
		err = p.members(v, depth)
	case json.Delim('['):
		for err == nil && p.d.More() {
			var e *Value
			e, err = p.value(depth + 1)
			v.Elements = append(v.Elements, e)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, ok := t.(json.Delim); ok {
		if _, _, err := p.next(); err != nil {
			return nil, err
		}
	}
	v.End = int(p.d.InputOffset())
	return v, nil
}

func (p *parser) members(v *Value, depth int) error {
	seen := map[string]string{}
	fold := foldRune
	if p.exact {
		fold = func(r rune) rune { return r }
	}
	p.exact = false
	for p.d.More() {
		t, at, err := p.next()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("byte %d: want a name", at)
		}
		folded := strings.Map(fold, key)
		switch other, twice := seen[folded]; {
		case twice && other == key:
			return fmt.Errorf("byte %d: two members %q", at, key)
		case twice:
			return fmt.Errorf("byte %d: members %q and %q, which are one to readers that do not look at case", at, other, key)
		}
		seen[folded] = key
		p.exact = exactNames[key]
		value, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		v.Members = append(v.Members, Member{Key: key, Start: at, Value: value})
	}
	return nil
}

// foldRune returns one rune for all that are equal but for case, as
// [strings.EqualFold] and encoding/json have it: K, k and the Kelvin sign are one.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

// Get returns a member of an object, or nil. It can be asked of nil.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return nil
	}
	for _, m := range v.Members {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}

// List returns the elements of an array. It can be asked of nil.
func (v *Value) List() []*Value {
	if v == nil {
		return nil
	}
	return v.Elements
}

// Text returns a string's text, and "" for anything else.
func (v *Value) Text() string {
	if v == nil {
		return ""
	}
	s, _ := v.token.(string)
	return s
}

// Int returns a whole number that is not negative, and -1 for anything else.
func (v *Value) Int() int64 {
	if v == nil {
		return -1
	}
	n, _ := v.token.(json.Number)
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil || i < 0 {
		return -1
	}
	return i
}

// Edit replaces a part of a text.
type Edit struct {
	Start, End int
	Text       string
}

// SetText returns the edit that makes a value a string of plain characters, such
// as a digest.
func (v *Value) SetText(s string) Edit { return Edit{v.Start, v.End, strconv.Quote(s)} }

// SetInt returns the edit that makes a value a number.
func (v *Value) SetInt(n int64) Edit { return Edit{v.Start, v.End, strconv.FormatInt(n, 10)} }

// Rename returns the edit that changes the name of a member.
func (v *Value) Rename(m Member, key string) Edit {
	quoted, _ := json.Marshal(m.Key) // a string can always be written
	return Edit{m.Start, m.Start + len(quoted), strconv.Quote(key)}
}

// Remove returns the edits that take members out of an object.
func (v *Value) Remove(drop func(key string) bool) []Edit {
	if v == nil {
		return nil
	}
	var out []Edit
	kept := false
	for i, m := range v.Members {
		switch {
		case !drop(m.Key):
			kept = true
		case kept:
			out = append(out, Edit{Start: v.Members[i-1].Value.End, End: m.Value.End})
		case i+1 < len(v.Members):
			out = append(out, Edit{Start: m.Start, End: v.Members[i+1].Start})
		default:
			out = append(out, Edit{Start: m.Start, End: m.Value.End})
		}
	}
	return out
}

// Apply makes edits that don't overlap.
func Apply(text []byte, edits []Edit) []byte {
	edits = slices.Clone(edits)
	slices.SortFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(append(out, text[at:e.Start]...), e.Text...)
		at = e.End
	}
	return append(out, text[at:]...)
}
