package tarwalk

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Record is a PAX record, "LENGTH KEY=VALUE\n".
type Record struct {
	Key string
	// Value is a part of the entry's Raw.
	Value []byte
	// At is where in Raw the value begins.
	At int

	begin, end int // of the whole record in Raw
}

// parseRecords reads the data of a PAX header, which begins at the given place.
func parseRecords(data []byte, at int) ([]Record, error) {
	var out []Record
	for len(data) > 0 {
		length, _, ok := bytes.Cut(data[:min(len(data), 21)], []byte(" "))
		n, err := strconv.ParseUint(string(length), 10, 63)
		if !ok || err != nil || n < uint64(len(length))+2 || n > uint64(len(data)) {
			return nil, fmt.Errorf("%w: a PAX record of length %q, where %d bytes are left", ErrFormat, length, len(data))
		}
		record := data[len(length)+1 : n]
		key, value, ok := bytes.Cut(record[:len(record)-1], []byte("="))
		if !ok || record[len(record)-1] != '\n' || len(key) == 0 || bytes.IndexByte(key, 0) >= 0 {
			return nil, fmt.Errorf("%w: a PAX record without a key or an end", ErrFormat)
		}
		begin := len(length) + 1 + len(key) + 1
		out = append(out, Record{
			Key: string(key), Value: value[:len(value):len(value)],
			At: at + begin, begin: at, end: at + int(n),
		})
		data = data[n:]
		at += int(n)
	}
	return out, nil
}

// Without returns the headers without the records that drop names. A PAX header
// that has no others is left out whole.
func (e *Entry) Without(drop func(key string) bool) ([]byte, error) {
	return e.Rewritten(Rewrite{Size: e.Size, Drop: drop})
}

// extensions reads the extended headers: the PAX records, and the names of GNU tar.
// There is one PAX header at most. Of two, archive/tar takes the last only, and other
// readers both.
func (e *Entry) extensions() (name, link string, err error) {
	seen := false
	for _, s := range e.extension {
		data := e.Raw[s.begin+blockSize : s.begin+blockSize+s.data]
		switch s.kind {
		case typeLongName:
			name = cut(data)
		case typeLongLink:
			link = cut(data)
		default:
			if seen {
				return "", "", fmt.Errorf("%w: two PAX headers for one file", ErrFormat)
			}
			seen = true
			if e.Records, err = parseRecords(data, s.begin+blockSize); err != nil {
				return "", "", err
			}
		}
	}
	return name, link, nil
}

// takenOver are the keys of records that say something over the main header. The
// name of a sparse file comes last.
var takenOver = []string{"path", "linkpath", "uid", "gid", "size", "GNU.sparse.name"}

// take takes what one record says.
func (e *Entry) take(r Record) error {
	value := string(r.Value)
	if value == "" {
		return nil
	}
	switch r.Key {
	case "path", "GNU.sparse.name":
		e.Name = value
	case "linkpath":
		e.Linkname = value
	case "uid":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: %q: wrong owner %q in a PAX record", ErrFormat, e.Name, value)
		}
		e.UID = n
	case "gid":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: %q: wrong group %q in a PAX record", ErrFormat, e.Name, value)
		}
		e.GID = n
	case "size":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64-blockSize {
			return fmt.Errorf("%w: %q: wrong size %q in a PAX record", ErrFormat, e.Name, value)
		}
		e.Size = n
	}
	return nil
}
