package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/internal/meter"
	"github.com/capwise/capwise/internal/limit"
)

// model is what a tree does, in the plainest way: whiteouts of a layer first, then
// its entries, and each looks at all names.
type model map[string]fs.FileMode

func (m model) removeBelow(dir string) {
	for name := range m {
		if strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") {
			delete(m, name)
		}
	}
}

func (m model) add(layer []*item) {
	for _, i := range layer {
		dir, base := path.Split(i.name)
		switch {
		case base == opaque:
			m.removeBelow(path.Clean(dir))
		case strings.HasPrefix(base, whiteout):
			name := path.Join(dir, strings.TrimPrefix(base, whiteout))
			m.removeBelow(name)
			delete(m, name)
		}
	}
	for _, i := range layer {
		if strings.HasPrefix(path.Base(i.name), whiteout) {
			continue
		}
		if !i.mode.IsDir() {
			m.removeBelow(i.name)
		}
		m[i.name] = i.mode
		for dir := path.Dir(i.name); dir != "/"; dir = path.Dir(dir) {
			if _, there := m[dir]; !there {
				m[dir] = fs.ModeDir | 0o755
			}
		}
	}
}

func contents(t *tree) model {
	out := model{}
	for number := int32(1); number < t.nodes.size; number++ {
		if n := t.nodes.at(number); !n.gone {
			out[t.path(number)] = n.mode
		}
	}
	return out
}

// TestTreeModel puts random layers over each other, and holds the tree to the
// model.
func TestTreeModel(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		got, want := newTree(), model{}
		var story []string
		for layer := range 1 + r.IntN(4) {
			var items []*item
			for range 1 + r.IntN(8) {
				name := ""
				for range 1 + r.IntN(4) {
					name += "/" + names[r.IntN(len(names))]
				}
				mode := fs.FileMode(0o600 + r.IntN(64))
				switch r.IntN(5) {
				case 0:
					name = path.Join(path.Dir(name), whiteout+path.Base(name))
				case 1:
					name += "/" + opaque
				case 2:
					mode |= fs.ModeDir
				}
				items = append(items, &item{name: name, mode: mode})
				story = append(story, fmt.Sprintf("%d:%s(%v)", layer, name, mode))
			}
			got.layer = int32(layer) + 1
			for _, i := range items {
				if err := got.add(i); err != nil {
					t.Fatal(err)
				}
			}
			want.add(items)
		}
		if c := contents(got); !maps.Equal(c, want) {
			t.Fatalf("seed %d: %q\ngot  %v\nwant %v", seed, story, c, want)
		}
		for name := range want {
			if at, _, err := got.resolve(name); err != nil || at != name {
				t.Fatalf("seed %d: %s resolves to %s, %v", seed, name, at, err)
			}
		}
	}
}

// met counts the nodes that a change looks at.
func met(t *testing.T, whiteouts int) int {
	t.Helper()
	tr := newTree()
	tr.layer = 1
	for i := range whiteouts {
		if err := tr.add(&item{name: fmt.Sprintf("/d/f%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	tr.layer = 2
	return int(testing.AllocsPerRun(1, func() {
		for i := range whiteouts {
			if err := tr.add(&item{name: fmt.Sprintf("/d/.wh.f%d", i)}); err != nil {
				t.Error(err)
			}
		}
	}))
}

// TestTreeLinear holds that twice as many whiteouts cost twice as much (S7).
func TestTreeLinear(t *testing.T) {
	one, two := met(t, 5000), met(t, 10_000)
	if float64(two) > 2.5*float64(one) {
		t.Errorf("5,000 whiteouts make %d allocations, 10,000 make %d", one, two)
	}
}

// TestTreeLimits holds the limits of a tree.
func TestTreeLimits(t *testing.T) {
	defer func(l limit.Limit) { limit.Entries = l }(limit.Entries)
	limit.Entries.Most = 10_000
	tr := newTree()
	tr.layer = 1
	var above *limit.Error
	long := strings.Repeat("/abcdefghijklmno", 250)
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = tr.add(&item{name: fmt.Sprint("/", i, long), extra: &extra{link: strings.Repeat("x", 4000)}})
	}
	if !errors.As(err, &above) || above.Limit != limit.Entries && above.Limit != limit.Kept {
		t.Errorf("got %v", err)
	}
	tr = newTree()
	err = nil
	for i := 0; err == nil && i <= 10_000; i++ {
		err = tr.add(&item{name: fmt.Sprint("/", i)})
	}
	if !errors.As(err, &above) || above.Limit != limit.Entries {
		t.Errorf("got %v", err)
	}
}

// blobs is a layer of so many items.
type blobs struct{ items int }

func (blobs) open() (io.ReadCloser, int64, error) { return nil, 0, nil }

// TestInOrder reads layers that wait for each other, and holds that their items
// come in order, that the first error ends it, and that little is read ahead.
func TestInOrder(t *testing.T) {
	layers := []layer{blobs{10}, blobs{200_000}, blobs{0}, blobs{300_000}, blobs{7}}
	read := func(l layer, emit func(*item) error) error {
		for i := range l.(blobs).items {
			if err := emit(&item{name: fmt.Sprint(i), hard: strings.Repeat("x", 100)}); err != nil {
				return err
			}
		}
		return nil
	}
	next := make([]int, len(layers))
	last := 0
	err := inOrder(layers, read, func(l int, i *item) error {
		if l < last || i.name != fmt.Sprint(next[l]) {
			t.Fatalf("layer %d has %s after %d of layer %d", l, i.name, next[l], last)
		}
		last = l
		next[l]++
		return nil
	})
	if err != nil || !slices.Equal(next, []int{10, 200_000, 0, 300_000, 7}) {
		t.Errorf("got %d, %v", next, err)
	}
	enough := errors.New("enough")
	err = inOrder(layers, read, func(l int, i *item) error {
		if l == 1 && i.name == "1000" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !strings.HasPrefix(err.Error(), "layer 2 of 5") {
		t.Errorf("got %v", err)
	}
	broken := func(l layer, emit func(*item) error) error {
		if l.(blobs).items == 7 {
			return enough
		}
		return read(l, emit)
	}
	if err := inOrder(layers, broken, func(int, *item) error { return nil }); !errors.Is(err, enough) || !strings.HasPrefix(err.Error(), "layer 5 of 5") {
		t.Errorf("got %v", err)
	}
}

// counted counts what is read of it.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// TestReaderLinear holds that a layer is read once, whatever is in it.
func TestReaderLinear(t *testing.T) {
	for _, items := range []int{1000, 2000} {
		var b bytes.Buffer
		for i := range items {
			h := make([]byte, 512)
			copy(h, fmt.Sprintf("f%d", i))
			copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        0")
			sum := 0
			for _, c := range h {
				sum += int(c)
			}
			copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
			b.Write(h)
		}
		b.Write(make([]byte, 1024))
		size := int64(b.Len())
		c := &counted{r: &b}
		r := &reader{meter: &meter.Meter{Listed: limit.Entries}, spool: &spool{}}
		seen := 0
		err := r.read(stream{c, size}, func(*item) error { seen++; return nil })
		if err != nil || seen != items || c.n != size {
			t.Errorf("%d items: %d, %v; %d bytes read of %d", items, seen, err, c.n, size)
		}
	}
}

type stream struct {
	io.Reader
	size int64
}

func (s stream) open() (io.ReadCloser, int64, error) { return io.NopCloser(s.Reader), s.size, nil }
