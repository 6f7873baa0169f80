package meter

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

// TestMeter holds each limit at its edge.
func TestMeter(t *testing.T) {
	edge := func(name string, l limit.Limit, at func(m *Meter, n int64) error) {
		t.Helper()
		m := &Meter{}
		m.Packed(1 << 40)
		if err := at(m, l.Most); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
		var above *limit.Error
		if err := at(m, 1); !errors.As(err, &above) || above.Limit != l {
			t.Errorf("%s above the limit: %v", name, err)
		}
	}
	edge("kept", limit.Kept, func(m *Meter, n int64) error { return m.Keep(int(n)) })
	edge("contents", limit.Contents, func(m *Meter, n int64) error { return m.Content(n) })
	edge("unpacked", limit.Unpacked, func(m *Meter, n int64) error { return m.unpack(n) })
}

// TestRatio holds that what is packed as well as can be is taken up to a size, and
// then in proportion.
func TestRatio(t *testing.T) {
	m := &Meter{}
	m.Packed(1000)
	if err := m.unpack(limit.UnpackedFree); err != nil {
		t.Error(err)
	}
	var above *limit.Error
	if err := m.unpack(1000); !errors.As(err, &above) || above.Limit != limit.Ratio {
		t.Errorf("got %v", err)
	}
	m.Packed(limit.UnpackedFree)
	if err := m.unpack(1000); err != nil {
		t.Errorf("with more packed: %v", err)
	}
}

// TestReader holds that reading and passing over count alike, and that too much
// stays too much.
func TestReader(t *testing.T) {
	m := &Meter{}
	r := m.Reader(bytes.NewReader(make([]byte, 100)))
	if _, err := io.ReadFull(r, make([]byte, 30)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Discard(40); n != 40 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := r.Discard(40); n != 30 || !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
	if got := m.unpacked.Load(); got != 100 {
		t.Errorf("counted %d, want 100", got)
	}
	m.unpacked.Store(limit.Unpacked.Most)
	r = m.Reader(bytes.NewReader(make([]byte, 100)))
	for range 2 {
		if _, err := r.Read(make([]byte, 10)); err == nil || err.Error() != limit.Unpacked.Check(limit.Unpacked.Most+1).Error() {
			t.Errorf("got %v", err)
		}
	}
}
