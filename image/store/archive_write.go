package store

import (
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/image/tarwalk"
)

// Write implements [Writable]. What was compressed is compressed again.
func (a *Archive) Write(to string, changes []Change) error {
	if resolved, err := filepath.EvalSymlinks(to); err == nil {
		to = resolved
	}
	var check func(string) error
	if to == a.Path {
		check = a.unchanged
	}
	return replaceFile(to, a.Path, func(w *os.File) error {
		packed, err := a.compression.Writer(w)
		if err != nil {
			return err
		}
		return errors.Join(a.writeTo(packed, changes), packed.Close())
	}, check)
}

func (a *Archive) writeTo(w io.Writer, changes []Change) error {
	byName := map[string]*Change{}
	for i := range changes {
		byName[changes[i].Old] = &changes[i]
	}
	copied := int64(0)
	for _, e := range a.Entries {
		c := byName[path.Clean(e.Name)]
		isLink := e.Type == tarwalk.TypeSymlink || e.Type == tarwalk.TypeLink
		if c == nil && !isLink || c != nil && e.Type != tarwalk.TypeReg {
			continue
		}
		end := e.Offset
		if c != nil && c.Keep {
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
func relinked(e *tarwalk.Entry, changes []Change) []byte {
	raw := e.Raw
	for _, c := range changes {
		if !c.Keep && c.From != "" && strings.Contains(e.Linkname, c.From) {
			raw = e.Renamed(raw, c.From, c.To)
		}
	}
	return raw
}

func (a *Archive) copyRange(w io.Writer, from, to int64) error {
	if _, err := a.F.Seek(from, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, a.F, to-from)
	return err
}

func writeEntry(w io.Writer, e *tarwalk.Entry, c *Change) error {
	raw, err := e.WithSize(c.Size)
	if err != nil {
		return err
	}
	if c.From != "" {
		raw = e.Renamed(raw, c.From, c.To)
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if _, err := io.Copy(w, io.NewSectionReader(c.Content, 0, c.Size)); err != nil {
		return err
	}
	_, err = w.Write(make([]byte, -c.Size&511))
	return err
}
