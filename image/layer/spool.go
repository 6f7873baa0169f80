package layer

import (
	"fmt"
	"io"
	"os"

	"github.com/capwise/capwise/internal/scratch"
)

// spool keeps contents in one file that has no name.
type spool struct {
	file *os.File
	end  int64
}

// add keeps content, which has the given size.
func (s *spool) add(content io.Reader, size int64) (*io.SectionReader, error) {
	if s.file == nil {
		var err error
		if s.file, err = scratch.File(); err != nil {
			return nil, err
		}
	}
	begin := s.end
	n, err := io.Copy(io.NewOffsetWriter(s.file, begin), content)
	if err == nil && n != size {
		err = fmt.Errorf("its content ends after %d of %d bytes", n, size)
	}
	s.end += n
	return io.NewSectionReader(s.file, begin, n), err
}

// reset gives up what is kept.
func (s *spool) reset() { s.end = 0 }

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return file.Close()
}
