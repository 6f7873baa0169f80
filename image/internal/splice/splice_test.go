package splice_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/capwise/capwise/image/internal/splice"
)

func TestFile(t *testing.T) {
	src := strings.NewReader("0123456789")
	var f splice.File
	f.Add(src, 7, 3)
	f.AddBytes([]byte("ab"))
	f.Add(src, 0, 0)
	f.Add(src, 1, 4)
	if err := iotest.TestReader(f.Reader(), []byte("789ab1234")); err != nil {
		t.Error(err)
	}
	// A part that is shorter than was said is not the end of the file.
	f.Add(src, 9, 5)
	if _, err := io.ReadAll(f.Reader()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want an unexpected end", err)
	}
	var empty splice.File
	if b, err := io.ReadAll(empty.Reader()); err != nil || !bytes.Equal(b, nil) {
		t.Errorf("%q, %v", b, err)
	}
}
