package fix

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/image/tarwalk"
)

// archive is an image in a tar archive.
type archive struct {
	path    string
	f       *os.File
	size    int64
	entries []*tarwalk.Entry
	names   map[string]*tarwalk.Entry
	twice   map[string]bool
}

// An image has a few files for each layer, and headers of a block or three; more
// is no image.
const (
	maxFiles       = 100_000
	maxFileHeaders = 64 << 20
)

func openArchive(name string) (_ *archive, err error) {
	resolved, err := filepath.EvalSymlinks(name) // the file is replaced, not a link to it
	if err != nil {
		return nil, err
	}
	f, err := os.Open(resolved)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	a := &archive{path: resolved, f: f, size: info.Size(), names: map[string]*tarwalk.Entry{}, twice: map[string]bool{}}
	if err := a.list(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *archive) list() error {
	w := tarwalk.New(io.NewSectionReader(a.f, 0, a.size))
	headers := 0
	for {
		e, err := w.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		headers += len(e.Raw)
		if len(a.entries) == maxFiles || headers > maxFileHeaders {
			return fmt.Errorf("more than %d files, or %d bytes of headers", maxFiles, maxFileHeaders)
		}
		a.entries = append(a.entries, e)
		name := path.Clean(e.Name)
		a.twice[name] = a.names[name] != nil && e.Type != tarwalk.TypeDir
		a.names[name] = e
	}
}

func (a *archive) open(name string) (*file, error) {
	name = path.Clean(name)
	for range 8 {
		e := a.names[name]
		switch {
		case e == nil:
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		case a.twice[name]:
			return nil, fmt.Errorf("%s: the archive has two files of this name", name)
		case e.Type == tarwalk.TypeReg:
			return &file{name, io.NewSectionReader(a.f, e.DataOffset(), e.Size)}, nil
		case e.Type == tarwalk.TypeSymlink:
			name = path.Join(path.Dir(name), e.Linkname)
		case e.Type == tarwalk.TypeLink:
			name = path.Clean(e.Linkname)
		default:
			return nil, fmt.Errorf("%s: not a regular file", name)
		}
	}
	return nil, fmt.Errorf("%s: too many links", name)
}

// Close implements [io.Closer].
func (a *archive) Close() error { return a.f.Close() }

func (a *archive) write(to string, changes []change) error {
	if resolved, err := filepath.EvalSymlinks(to); err == nil {
		to = resolved
	}
	return replaceFile(to, a.path, func(w *os.File) error { return a.writeTo(w, changes) })
}

func (a *archive) writeTo(w *os.File, changes []change) error {
	byName := map[string]*change{}
	for i := range changes {
		byName[changes[i].old] = &changes[i]
	}
	copied := int64(0)
	for _, e := range a.entries {
		c := byName[path.Clean(e.Name)]
		isLink := e.Type == tarwalk.TypeSymlink || e.Type == tarwalk.TypeLink
		if c == nil && !isLink || c != nil && e.Type != tarwalk.TypeReg {
			continue
		}
		end := e.Offset
		if c != nil && c.keep {
			end = e.DataOffset() + e.Padded()
		}
		if err := a.copyRange(w, copied, end); err != nil {
			return err
		}
		copied = e.DataOffset() + e.Padded()
		if isLink {
			if _, err := w.Write(relinked(e, changes)); err != nil {
				return err
			}
			continue
		}
		if err := writeEntry(w, e, c); err != nil {
			return err
		}
	}
	return a.copyRange(w, copied, a.size)
}

// relinked returns the headers of a link, which lead to the new name of a file
// that has another.
func relinked(e *tarwalk.Entry, changes []change) []byte {
	raw := e.Raw
	for _, c := range changes {
		if !c.keep && c.from != "" && strings.Contains(e.Linkname, c.from) {
			raw = e.Renamed(raw, c.from, c.to)
		}
	}
	return raw
}

func (a *archive) copyRange(w io.Writer, from, to int64) error {
	if _, err := a.f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, a.f, to-from)
	return err
}

func writeEntry(w io.Writer, e *tarwalk.Entry, c *change) error {
	raw, err := e.WithSize(c.size)
	if err != nil {
		return err
	}
	if c.from != "" {
		raw = e.Renamed(raw, c.from, c.to)
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if _, err := io.Copy(w, io.NewSectionReader(c.content, 0, c.size)); err != nil {
		return err
	}
	_, err = w.Write(make([]byte, -c.size&511))
	return err
}
