package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

// layerOf makes the facts of a layer.
func layerOf(t testing.TB, items ...*Item) *Layer {
	t.Helper()
	b := NewBuilder()
	for _, i := range items {
		if _, err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	var c *Cache
	l, err := c.Finish(b, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// model is what a stack of layers shows, in the plainest way: whiteouts of a layer
// first, then its entries, and each looks at all names.
type model map[string]fs.FileMode

func (m model) removeBelow(dir string) {
	for name := range m {
		if strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") {
			delete(m, name)
		}
	}
}

// add reports whether an engine would unpack the layer: it has nothing below a file.
func (m model) add(layer []*Item) bool {
	for _, i := range layer {
		dir, base := path.Split(i.Path)
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
		if strings.HasPrefix(path.Base(i.Path), whiteout) {
			continue
		}
		if !i.Mode.IsDir() {
			m.removeBelow(i.Path)
		}
		m[i.Path] = i.Mode
		for dir := path.Dir(i.Path); dir != "/"; dir = path.Dir(dir) {
			if _, there := m[dir]; !there {
				m[dir] = fs.ModeDir | 0o755
			}
		}
	}
	before := len(m)
	for name, mode := range maps.Clone(m) {
		if !mode.IsDir() {
			m.removeBelow(name)
		}
	}
	return len(m) == before
}

var shortNames = []string{"a", "b", "c"}

// everyPath lists all paths of short names, down to a depth.
func everyPath(depth int) []string {
	if depth == 0 {
		return []string{""}
	}
	var out []string
	for _, dir := range everyPath(depth - 1) {
		if len(strings.Split(dir, "/")) == depth {
			for _, name := range shortNames {
				out = append(out, dir+"/"+name)
			}
		}
		out = append(out, dir)
	}
	return out
}

// shown lists what a stack shows. What is below a file is out of reach.
func shown(s Stack, paths []string) model {
	out := model{}
	for _, name := range paths {
		if info, ok := s.Lstat(name); ok && name != "" {
			out[name] = info.Mode
		}
	}
	return out
}

// TestStackModel puts random layers over each other, and compares the stack with the
// model.
func TestStackModel(t *testing.T) {
	paths := everyPath(4)
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		want, sound := model{}, true
		var layers []*Layer
		var story []string
		for layer := range 1 + r.IntN(4) {
			var items []*Item
			for range 1 + r.IntN(8) {
				name := ""
				for range 1 + r.IntN(4) {
					name += "/" + shortNames[r.IntN(len(shortNames))]
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
				items = append(items, &Item{Path: name, Mode: mode})
				story = append(story, fmt.Sprintf("%d:%s(%v)", layer, name, mode))
			}
			sound = want.add(items) && sound
			layers = append(layers, layerOf(t, items...))
		}
		stack, err := NewStack(layers...)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(stack, paths); sound && !maps.Equal(got, want) {
			t.Fatalf("seed %d: %q\ngot  %v\nwant %v", seed, story, got, want)
		}
		for name, mode := range want {
			if !sound {
				break
			}
			if info, err := stack.Stat(name); err != nil || info.Path != name || info.Mode != mode {
				t.Fatalf("seed %d: %s is %+v, %v", seed, name, info, err)
			}
		}
		for _, l := range layers {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestHides compares what a layer hides with what there is after it.
func TestHides(t *testing.T) {
	l := layerOf(t,
		&Item{Path: "/o/" + opaque}, &Item{Path: "/w/.wh.x"}, &Item{Path: "/d", Mode: fs.ModeDir | 0o755},
		&Item{Path: "/f", Mode: 0o755}, &Item{Path: "/long/n/.wh.m"})
	for name, want := range map[string]bool{
		"/o/a": true, "/o/a/b": true, "/w/x": true, "/w/x/y": true, "/w": false, "/w/y": false, "/d": true, "/d/a": false, "/f": true, "/f/a": true,
		"/x": false, "/": false, "/long/n/m": true, "/long/n/m/a/b": true, "/long/n/ma": false, "/long": false,
	} {
		if got := l.Hides(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if root := layerOf(t, &Item{Path: "/" + opaque}); !root.Hides("/x") || root.Hides("/") {
		t.Error("an opaque root")
	}
	if !l.Mentions("/w/x") || l.Has("/w/x") || !l.Has("/f") || l.Has("/o") {
		t.Error("what the layer mentions")
	}
}

const (
	effective = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	permitted = "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// TestCapable lists which files with the attribute are seen, under which names.
func TestCapable(t *testing.T) {
	exec := fs.FileMode(0o755)
	for name, c := range map[string]struct {
		layers [][]*Item
		want   string
	}{
		"links in a layer": {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}, {Path: "/b", Hard: "/a"}}}, "/a/0 /b/0"},
		"replaced":         {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/a", Mode: exec}}}, ""},
		"twice":            {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}, {Path: "/a", Mode: exec}}}, ""},
		"over it":          {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/a", Mode: exec, Attribute: []byte(permitted)}}}, "/a/1"},
		"link from above":  {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/b", Hard: "/a"}, {Path: "/.wh.a"}}}, "/b/0"},
		"link of a link":   {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/b", Hard: "/a"}}, {{Path: "/c", Hard: "/b"}, {Path: "/.wh.b"}}}, "/a/0 /c/0"},
		"set by a link":    {[][]*Item{{{Path: "/a", Mode: exec}, {Path: "/b", Hard: "/a", Attribute: []byte(effective)}}}, "/a/0 /b/0"},
		"link with its own": {
			[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/b", Hard: "/a", Attribute: []byte(permitted)}}}, "/a/0 /b/1",
		},
		"link to what was replaced": {[][]*Item{{{Path: "/a", Mode: exec, Attribute: []byte(effective)}, {Path: "/b", Hard: "/a"}, {Path: "/a", Mode: exec}}}, "/b/0"},
		"folder removed":            {[][]*Item{{{Path: "/d/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/.wh.d"}}}, ""},
		"folder replaced":           {[][]*Item{{{Path: "/d/a", Mode: exec, Attribute: []byte(effective)}}, {{Path: "/d", Mode: fs.ModeSymlink | 0o777, Link: "/x"}}}, ""},
	} {
		var layers []*Layer
		for _, items := range c.layers {
			layers = append(layers, layerOf(t, items...))
		}
		stack, err := NewStack(layers...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range stack.Capable() {
			got = append(got, fmt.Sprintf("%s/%d", s.Path, s.Layer))
			if info, ok := stack.Lstat(s.Path); !ok || string(info.Attribute) != string(s.Attribute) {
				t.Errorf("%s: %s is %+v, and carries %q", name, s.Path, info, s.Attribute)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	_, err := NewStack(layerOf(t, &Item{Path: "/x", Mode: exec}), layerOf(t, &Item{Path: "/b", Hard: "/nowhere"}))
	if err == nil || !strings.Contains(err.Error(), "layer 2 of 2: /b: hard link to /nowhere, which is not there") {
		t.Errorf("a link to nowhere: %v", err)
	}
}

// TestBuilderLimits meets the limits of a layer, and those of a stack.
func TestBuilderLimits(t *testing.T) {
	defer func(l limit.Limit) { limit.Entries = l }(limit.Entries)
	limit.Entries.Most = 10_000
	long := strings.Repeat("/abcdefghijklmno", 250)
	add := func(item func(i int) *Item) error {
		b := NewBuilder()
		for i := range 10_001 {
			if _, err := b.Add(item(i)); err != nil {
				return err
			}
		}
		return nil
	}
	var above *limit.Error
	if err := add(func(i int) *Item { return &Item{Path: fmt.Sprint("/", i, long), Link: strings.Repeat("x", 4000)} }); !errors.As(err, &above) {
		t.Errorf("got %v", err)
	}
	if err := add(func(i int) *Item { return &Item{Path: fmt.Sprint("/", i)} }); !errors.As(err, &above) || above.Limit != limit.Entries {
		t.Errorf("got %v", err)
	}
	var items []*Item
	for i := range 6000 {
		items = append(items, &Item{Path: fmt.Sprint("/", i)})
	}
	l := layerOf(t, items...)
	if _, err := NewStack(l, l); !errors.As(err, &above) || above.Limit != limit.Entries {
		t.Errorf("two layers: %v", err)
	}
}

// TestDamaged changes each byte of facts, and cuts them short: they are what was
// written, or there is an error, and never a panic.
func TestDamaged(t *testing.T) {
	b := NewBuilder()
	for _, i := range []*Item{
		{Path: "/bin/a", Mode: 0o755, Attribute: []byte(effective), Head: []byte("\x7fELF")},
		{Path: "/bin/b", Hard: "/bin/a"},
		{Path: "/l", Mode: fs.ModeSymlink, Link: "bin"},
		{Path: "/s", Mode: fs.ModeSetuid | 0o755, Head: []byte("#!/bin/sh\nexec x\n")},
		{Path: "/c", Hard: "/below"},
		{Path: "/d/.wh.x"},
	} {
		if _, err := b.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	name := t.TempDir() + "/facts"
	write := func(content []byte) *os.File {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	f := write(nil)
	if err := b.finish(f, digest); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(content []byte, digest string) error {
		f := write(content)
		defer f.Close()
		l, err := open(f, digest)
		if err != nil {
			return err
		}
		s := Stack{l}
		for _, name := range []string{"/bin/a", "/l/b", "/s", "/d/x", "/nothing"} {
			if info, err := s.Stat(name); err == nil {
				_, _ = info.Head(100)
			}
			l.Hides(name)
		}
		s.Capable()
		return nil
	}
	if err := ask(good, digest); err != nil {
		t.Fatal(err)
	}
	if err := ask(good, "sha256:"+strings.Repeat("b", 64)); !errors.Is(err, errDamaged) {
		t.Errorf("as those of another digest: %v", err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x41
		if err := ask(bad, digest); err == nil && i < 208 { // behind, the header is zeros
			t.Errorf("byte %d is another, and there is no error", i)
		}
		if err := ask(good[:i], digest); err == nil {
			t.Errorf("%d bytes, and no error", i)
		}
	}
}
