package facts

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/scratch"
)

// Cache keeps facts in a folder, each layer's under its digest. Several processes
// may use it. Facts of another version of the reader, and files that are damaged, are
// as if they were not there. Nobody but the caller may write to the folder: who does
// could tell capwise anything.
//
// A nil Cache keeps nothing.
type Cache struct {
	dir    string
	root   *os.Root
	stored bool
}

// errForeign says that others could write to a cache.
var errForeign = errors.New("want a folder that belongs to the caller, and that others cannot write to")

// OpenCache opens the cache in a folder, which is made if it is not there.
func OpenCache(dir string) (*Cache, error) {
	if !ownOrRoots(existing(dir)) { // root makes nothing in a user's home
		return nil, fmt.Errorf("%s: %w", dir, errForeign)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || !own(info) || info.Mode()&0o022 != 0 {
		return nil, fmt.Errorf("%s: %w", dir, errForeign)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if now, err := root.Stat("."); err != nil || !os.SameFile(info, now) {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, errForeign), err, root.Close())
	}
	return &Cache{dir: dir, root: root}, nil
}

// existing returns the folder itself, or the first above it that is there.
func existing(dir string) fs.FileInfo {
	for {
		info, err := os.Lstat(dir)
		if err == nil || dir == filepath.Dir(dir) {
			return info
		}
		dir = filepath.Dir(dir)
	}
}

// suffix ends the names of files in a cache. It tells versions apart, so that two
// of them can use one folder.
var suffix = fmt.Sprintf(".v%d.facts", Version)

// fileName is where the facts of a digest are, "" if none are kept of it.
func fileName(digest string) string {
	algorithm, sum, ok := strings.Cut(digest, ":")
	if !ok || algorithm != "sha256" && algorithm != "sha512" || strings.Trim(sum, "0123456789abcdef") != "" || len(sum) < 64 {
		return ""
	}
	return algorithm + "-" + sum + suffix
}

// Layer returns the facts of a digest, nil if there are none.
func (c *Cache) Layer(digest string) *Layer {
	name := fileName(digest)
	if c == nil || name == "" {
		return nil
	}
	f, err := c.root.Open(name)
	if err != nil {
		return nil
	}
	l, err := open(f, digest)
	if err != nil {
		_ = f.Close() // opened for reading
		return nil
	}
	now := time.Now()
	_ = c.root.Chtimes(name, now, now) // what was used last is removed last
	return l
}

// Finish makes facts of what the builder has, and keeps them if there is a cache and
// a digest, which must be that of what was read. It closes the builder.
func (c *Cache) Finish(b *Builder, digest string) (_ *Layer, err error) {
	defer func() { err = errors.Join(err, b.Close()) }()
	if c != nil && fileName(digest) != "" {
		if l, err := c.store(b, digest); err == nil {
			return l, nil
		}
		// It may be full, or read-only: the facts are of use without.
	}
	f, err := scratch.File()
	if err != nil {
		return nil, err
	}
	if err := b.finish(f, digest); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened(f, digest)
}

// opened is open, which closes the file if there is an error.
func opened(f *os.File, digest string) (*Layer, error) {
	l, err := open(f, digest)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func (c *Cache) store(b *Builder, digest string) (_ *Layer, err error) {
	path := filepath.Join(c.dir, fileName(digest))
	tmp, err := scratch.Beside(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tmp.Remove()) }() // it is gone if all went well
	if err := b.finish(tmp.File, digest); err != nil {
		return nil, err
	}
	if err := tmp.MoveTo(path); err != nil {
		return nil, err
	}
	c.stored = true
	f, err := c.root.Open(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return opened(f, digest)
}

// Usage is what a cache holds.
type Usage struct {
	Dir    string `json:"dir"`
	Layers int    `json:"layers"`
	Bytes  int64  `json:"bytes"`
	// Limit is how many bytes there may be: what was not used for the longest time is
	// removed.
	Limit int64 `json:"limit"`
}

// Usage says what the cache holds, of all versions.
func (c *Cache) Usage() (Usage, error) {
	u := Usage{Dir: c.dir, Limit: limit.Cache.Most}
	files, err := c.files()
	for _, f := range files {
		u.Layers++
		u.Bytes += f.Size()
	}
	return u, err
}

// Clear removes all facts.
func (c *Cache) Clear() error { return c.shrink(0) }

// Close removes what is too much, and closes the cache.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	var err error
	if c.stored {
		err = c.shrink(limit.Cache.Most)
	}
	return errors.Join(err, c.root.Close())
}

// shrink removes facts until there are no more bytes than most.
func (c *Cache) shrink(most int64) error {
	scratch.Sweep(c.dir, scratch.Left)
	files, err := c.files()
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	bytes := int64(0)
	for _, f := range files {
		bytes += f.Size()
		if bytes <= most {
			continue
		}
		if err := c.root.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// files lists what is kept, by name.
func (c *Cache) files() ([]fs.FileInfo, error) {
	folder, err := c.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // opened for reading
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var out []fs.FileInfo
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".facts") {
			continue
		}
		if info, err := e.Info(); err == nil { // else another run has removed it
			out = append(out, info)
		}
	}
	slices.SortFunc(out, func(a, b fs.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
	return out, nil
}
