// Package splice puts together files of parts of others, without copying them.
package splice

import (
	"bytes"
	"errors"
	"io"
	"sort"
)

// File is a sequence of parts, which can be read as one file. The zero value is
// empty.
type File struct {
	parts []part
	size  int64
}

type part struct {
	begin, end int64 // in the file
	src        io.ReaderAt
	at         int64 // in src
}

// Size returns the size of the file.
func (f *File) Size() int64 { return f.size }

// Add appends n bytes of src from an offset.
func (f *File) Add(src io.ReaderAt, at, n int64) {
	if n <= 0 {
		return
	}
	f.parts = append(f.parts, part{begin: f.size, end: f.size + n, src: src, at: at})
	f.size += n
}

// AddBytes appends bytes, which must not be changed afterwards.
func (f *File) AddBytes(b []byte) { f.Add(bytes.NewReader(b), 0, int64(len(b))) }

// Reader returns a reader of the whole file.
func (f *File) Reader() *io.SectionReader { return io.NewSectionReader(f, 0, f.size) }

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	i := sort.Search(len(f.parts), func(i int) bool { return f.parts[i].end > at })
	for ; n < len(p) && i < len(f.parts); i++ {
		q := f.parts[i]
		from := at + int64(n) - q.begin
		want := min(int64(len(p)-n), q.end-q.begin-from)
		got, err := q.src.ReadAt(p[n:n+int(want)], q.at+from)
		n += got
		if int64(got) < want {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
