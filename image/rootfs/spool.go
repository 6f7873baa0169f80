package rootfs

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/capwise/capwise/internal/scratch"
)

// spool keeps contents in one file that has no name.
type spool struct {
	mu   sync.Mutex
	file *os.File
	end  int64
}

// add keeps content, which has the given size.
func (s *spool) add(content io.Reader, size int64) (piece, error) {
	p, file, err := s.reserve(size)
	if err != nil {
		return piece{}, err
	}
	n, err := io.Copy(io.NewOffsetWriter(file, p.at), content)
	if err == nil && n != size {
		err = fmt.Errorf("its content ends after %d of %d bytes", n, size)
	}
	return p, err
}

func (s *spool) reserve(size int64) (piece, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		var err error
		if s.file, err = scratch.File(); err != nil {
			return piece{}, nil, err
		}
	}
	p := piece{s.end, size}
	s.end += size
	return p, s.file, nil
}

func (s *spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// section returns what was kept.
func (s *spool) section(p piece) *io.SectionReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return io.NewSectionReader(nil, 0, 0)
	}
	return io.NewSectionReader(s.file, p.at, p.size)
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
