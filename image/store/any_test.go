package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/internal/limit"
)

// TestAnyLarge holds that an archive of more files than an image has is taken for that of
// a root file system where nobody says what it is, and is refused as an image's.
func TestAnyLarge(t *testing.T) {
	defer func(l limit.Limit) { limit.Files = l }(limit.Files)
	path := filepath.Join(t.TempDir(), "a.tar")
	pack(t, path, "one")
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	limit.Files.Most = 0
	s, err := Open(ref.Ref{Kind: ref.Archive, Path: path}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Open(DockerFile, AnySize); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has %s: %v", DockerFile, err)
	}
	whole, err := s.(*Archive).AsRootFS().Open(path, AnySize)
	if err != nil || whole.Size() != int64(len(f)) {
		t.Errorf("got %+v, %v", whole, err)
	}
	var above *limit.Error
	if _, err := Open(ref.Ref{Kind: ref.DockerArchive, Path: path}, false, nil); !errors.As(err, &above) {
		t.Errorf("as an image's: %v", err)
	}
}
