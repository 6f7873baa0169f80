package layer

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/capwise/capwise/image/internal/compression"

	"github.com/capwise/capwise/internal/limit"
)

// within fails the test if something takes too long, as what waits forever does.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s: still waits", what)
	}
}

// TestTurns holds that a reader waits while there are too many names, and that the first
// never does.
func TestTurns(t *testing.T) {
	turns := newTurns()
	first, second, third := turns.begin(), turns.begin(), turns.begin()
	within(t, "the first", func() { first.wait(mostBuilt * 2) })
	within(t, "one with few names", func() { second.wait(10) })
	waited := make(chan struct{})
	go func() { defer close(waited); second.wait(mostBuilt); second.end() }()
	select {
	case <-waited:
		t.Fatal("the second does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	first.end()
	within(t, "the second, which is the first now", func() { <-waited })
	within(t, "the third", func() { third.wait(mostBuilt); third.end() })
	if n := turns.all(); n != 0 {
		t.Errorf("%d names are left", n)
	}
}

// TestManyTurns lets many large layers be read at the same time.
func TestManyTurns(t *testing.T) {
	turns := newTurns()
	within(t, "60 layers", func() {
		var g sync.WaitGroup
		for range 60 {
			g.Go(func() {
				one := turns.begin()
				defer one.end()
				for names := 0; names < mostBuilt; names += 5000 {
					one.wait(names)
				}
			})
		}
		g.Wait()
	})
}

// TestAtOnce reads many layers with one reader, damaged ones among them: those fail, and
// may stop the others.
func TestAtOnce(t *testing.T) {
	reader := NewReader(newCache(t), nil, limit.Entries)
	within(t, "40 layers", func() {
		var g sync.WaitGroup
		for i := range 40 {
			g.Go(func() {
				var files []file
				for n := range 300 {
					files = append(files, file{name: fmt.Sprintf("%d/%d", i, n)})
				}
				b := keyed(packed(t, compression.Gzip, archive(t, files...)), asFile)
				if i%4 == 0 {
					b.content = b.content[:len(b.content)/2]
				}
				l, err := reader.Facts(b)
				if damaged := i%4 == 0; damaged && err == nil || !damaged && err != nil && !errors.Is(err, ErrStopped) {
					t.Errorf("layer %d: %v", i, err)
				}
				if err == nil {
					_ = l.Close()
				}
			})
		}
		g.Wait()
	})
}

// TestProgress holds that in the end all bytes that were expected are done, whether they
// were read or known.
func TestProgress(t *testing.T) {
	content := archive(t, file{name: "a", content: string(make([]byte, 200_000))})
	for _, kind := range kinds {
		for _, comes := range []string{asFile, asStream} {
			p := &Progress{}
			reader := NewReader(newCache(t), p, limit.Entries)
			b := keyed(packed(t, kind, content), comes)
			size := int64(len(b.content))
			for time := int64(1); time <= 2; time++ {
				p.Expect(b.Bytes())
				l, err := reader.Facts(b)
				if err != nil {
					t.Fatal(err)
				}
				_ = l.Close()
				if done, all := p.Bytes(); done != time*size || all != time*size {
					t.Errorf("%s, %s: %d of %d bytes, want %d", kind, comes, done, all, time*size)
				}
			}
		}
	}
	var none *Progress
	none.Expect(5)
	p := &Progress{}
	p.Expect(-1) // of unknown size
	if done, all := p.Bytes(); done != 0 || all != 0 {
		t.Errorf("%d of %d", done, all)
	}
}
