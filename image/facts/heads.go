package facts

import (
	"os"

	"github.com/capwise/capwise/internal/scratch"
)

// Heads are kept of scripts, for what they execute, and of the lists of users and
// groups: this much, or where a layer has very many what the kernel reads of a script.
const (
	headSize  = 64 << 10
	leastSize = 256
	manyHeads = 32 << 20
)

// heads keeps the beginnings of files in one file that has no name.
type heads struct {
	file *os.File
	end  int64
}

// piece is a part of it.
type piece struct{ at, size int64 }

func (h *heads) add(head []byte) (piece, error) {
	if h.file == nil {
		var err error
		if h.file, err = scratch.File(); err != nil {
			return piece{}, err
		}
	}
	n, err := h.file.WriteAt(head, h.end)
	p := piece{h.end, int64(n)}
	h.end += int64(n)
	return p, err
}

func (h *heads) close() error {
	if h.file == nil {
		return nil
	}
	file := h.file
	h.file = nil
	return file.Close()
}

// HeadSize is how much of a file's beginning [Builder.Add] wants to know next.
func (b *Builder) HeadSize() int {
	if b.heads.end > manyHeads {
		return leastSize
	}
	return headSize
}
