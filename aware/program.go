package aware

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"slices"

	"github.com/capwise/capwise/overlay"
)

// Bounds of what is read of a program, which may be made to be read: its headers
// and what it is linked with at once, the rest in pieces.
const (
	mostRead     = 16 << 20
	mostScanned  = 1 << 30
	window       = 1 << 20
	overlapBytes = 4 << 10 // more than a name, or the marker
)

var errTooMuch = errors.New("more to read than any program has")

// program is an ELF file that is open.
type program struct {
	*elf.File
	left int64 // bytes that may still be scanned
}

func openELF(r io.ReaderAt) (*program, error) {
	b := &bounded{r, mostRead}
	f, err := elf.NewFile(b)
	if err != nil {
		return nil, err
	}
	b.left = -1 // from here on the sections' sizes are looked at
	return &program{f, mostScanned}, nil
}

// bounded reads so many bytes; any number if that is negative.
type bounded struct {
	r    io.ReaderAt
	left int64
}

// ReadAt implements [io.ReaderAt].
func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			b.left = 0
			return 0, errTooMuch
		}
	}
	return b.r.ReadAt(p, at)
}

// find returns which of the texts a section contains, none if it cannot be read.
func (p *program) find(section string, texts []string) (found []string) {
	s := p.Section(section)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || len(texts) == 0 {
		return nil
	}
	missing := slices.Clone(texts)
	err := p.windows(s, func(data []byte) bool {
		missing = slices.DeleteFunc(missing, func(text string) bool {
			there := bytes.Contains(data, []byte(text))
			if there {
				found = append(found, text)
			}
			return there
		})
		return len(missing) == 0
	})
	if err != nil {
		return nil
	}
	return found
}

// functions finds which of the functions that tell something the table of names
// holds.
func (p *program) functions(table *elf.Section) (map[string]bool, error) {
	wanted := append([]string{overlay.Function}, setters...)
	for _, r := range raisers {
		wanted = append(wanted, r.function)
	}
	found := map[string]bool{}
	if table == nil {
		return found, nil
	}
	err := p.windows(table, func(data []byte) bool {
		for _, name := range wanted {
			found[name] = found[name] || bytes.Contains(data, []byte("\x00"+name+"\x00"))
		}
		return false
	})
	return found, err
}

// windows calls fn with a section, piece by piece, of which each begins with the
// end of the one before, until fn has what it wants.
func (p *program) windows(s *elf.Section, fn func([]byte) bool) error {
	r := s.Open()
	buf := make([]byte, 0, window)
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if p.left -= int64(n); p.left < 0 {
			return errTooMuch
		}
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		if fn(buf) || end {
			return nil
		}
		kept := copy(buf, buf[len(buf)-overlapBytes:])
		buf = buf[:kept]
	}
}
