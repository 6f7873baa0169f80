package tarwalk

import (
	"bytes"
	"fmt"
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
