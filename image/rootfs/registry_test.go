package rootfs_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	nameref "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/rootfs"
)

// counting is a registry that counts what it is asked for, and what it sends.
type counting struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int // for blobs
	bytes int64
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	c := &counting{asked: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			c.mu.Lock()
			c.asked[r.URL.Path]++
			c.mu.Unlock()
			w = &countingWriter{w, c}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

type countingWriter struct {
	http.ResponseWriter
	c *counting
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.bytes += int64(n)
	return n, err
}

// TestRegistry scans an image of many layers, with and without a cache: each blob is
// asked for once, or not at all, and nothing comes twice.
func TestRegistry(t *testing.T) {
	const many = 100
	c := newCounting(t)
	name := strings.TrimPrefix(c.URL, "http://") + "/a/b:v1"
	ref, err := nameref.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	var layers []v1.Layer
	for i := range many {
		layers = append(layers, layer(t, file{name: fmt.Sprintf("bin/a%d", i), content: strings.Repeat(fmt.Sprint(i), 5000), caps: permitted}))
	}
	img := build(t, layers...)
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, l := range layers {
		n, err := l.Size()
		if err != nil {
			t.Fatal(err)
		}
		size += n
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := facts.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for _, run := range []struct {
		cache *facts.Cache
		blobs int
		bytes int64
	}{{nil, many + 1, size + int64(len(config))}, {cache, many + 1, size + int64(len(config))}, {cache, 1, int64(len(config))}} {
		c.asked, c.bytes = map[string]int{}, 0
		source, err := rootfs.Open("registry:"+name, rootfs.Options{Cache: run.cache})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Each(func(i *rootfs.Image) error {
			if n := len(i.Capable()); n != many {
				t.Errorf("%d files with capabilities, want %d", n, many)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		source.Close()
		for path, n := range c.asked {
			if n != 1 {
				t.Errorf("%s was asked for %d times", path, n)
			}
		}
		if len(c.asked) != run.blobs || c.bytes != run.bytes {
			t.Errorf("%d blobs of %d bytes, want %d of %d", len(c.asked), c.bytes, run.blobs, run.bytes)
		}
	}
}
