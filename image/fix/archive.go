package fix

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/image/tarwalk"
)

// archive is an image in a tar archive.
type archive struct{ *store.Archive }

func (a archive) open(name string, size int64) (*file, error) { return fileOf(a.Open(name, size)) }

func (a archive) write(to string, changes []change) error {
	if resolved, err := filepath.EvalSymlinks(to); err == nil {
		to = resolved
	}
	check := unchecked
	if to == a.Path {
		check = a.Unchanged
	}
	return replaceFile(to, a.Path, func(w *os.File) error { return a.writeTo(w, changes) }, check)
}

func (a archive) writeTo(w *os.File, changes []change) error {
	byName := map[string]*change{}
	for i := range changes {
		byName[changes[i].old] = &changes[i]
	}
	copied := int64(0)
	for _, e := range a.Entries {
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
	return a.copyRange(w, copied, a.Size)
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

func (a archive) copyRange(w io.Writer, from, to int64) error {
	if _, err := a.F.Seek(from, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, a.F, to-from)
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
