package rootfs

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/capwise/capwise/image/gzpatch"
)

// entry is one file of an image.
type entry struct {
	mode     fs.FileMode
	uid, gid uint32
	link     string // target of a symbolic link
	caps     []byte
	head     []byte
	content  *os.File // of a file with caps, if it is kept
}

// tree holds the files by their absolute path.
type tree map[string]*entry

// Whiteouts of the OCI image specification, "Layer".
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// layerFiles is the files of one layer. links leads from hard links to files of
// layers below, by name.
type layerFiles struct {
	files tree
	links map[string]string
}

// readLayers reads layers, as many at a time as there are processors.
func readLayers(layers []v1.Layer, keep bool) ([]layerFiles, error) {
	out := make([]layerFiles, len(layers))
	errs := make([]error, len(layers))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var reading sync.WaitGroup
	for i, l := range layers {
		reading.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if out[i], errs[i] = readLayer(l, keep); errs[i] != nil {
				errs[i] = fmt.Errorf("layer %d of %d: %w", i+1, len(layers), errs[i])
			}
		})
	}
	reading.Wait()
	return out, errors.Join(errs...)
}

func readLayer(layer v1.Layer, keep bool) (layerFiles, error) {
	r, err := uncompressed(layer)
	if err != nil {
		return layerFiles{}, err
	}
	defer func() { _ = r.Close() }() // opened for reading
	return readFiles(r, keep)
}

// uncompressed opens a layer. One that is gzip and lies in a file is inflated by
// package gzpatch, in half the time.
func uncompressed(layer v1.Layer) (io.ReadCloser, error) {
	r, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	file, ok := r.(*os.File)
	if !ok {
		return layer.Uncompressed()
	}
	var magic [2]byte
	info, err := file.Stat()
	if _, errMagic := file.ReadAt(magic[:], 0); err != nil || errMagic != nil || magic != [2]byte{0x1f, 0x8b} {
		_ = file.Close() // opened for reading
		return layer.Uncompressed()
	}
	return struct {
		io.Reader
		io.Closer
	}{gzpatch.NewReader(file, info.Size()), file}, nil
}

// add puts a layer over what is there. Whiteouts concern the layers below
// alone, wherever in the layer they stand.
func (t tree) add(layer layerFiles) error {
	above := layer.files
	for name, target := range layer.links {
		below := t[target]
		if below == nil {
			return fmt.Errorf("%s: hard link to %s, which is not there", name, target)
		}
		above[name] = below
	}
	for name := range above {
		dir, base := path.Split(name)
		switch {
		case base == opaque:
			t.removeBelow(path.Clean(dir))
		case strings.HasPrefix(base, whiteout):
			t.remove(path.Join(dir, strings.TrimPrefix(base, whiteout)))
		}
	}
	for name, e := range above {
		if strings.HasPrefix(path.Base(name), whiteout) {
			continue
		}
		if below := t[name]; below != nil && below.mode.IsDir() && !e.mode.IsDir() {
			t.removeBelow(name)
		}
		t[name] = e
		t.addParents(name)
	}
	return nil
}

// addParents adds the folders that a layer leaves out, as engines do when they
// unpack it.
func (t tree) addParents(name string) {
	for dir := path.Dir(name); t[dir] == nil && dir != "/"; dir = path.Dir(dir) {
		t[dir] = &entry{mode: fs.ModeDir | 0o755}
	}
}

func (t tree) remove(name string) {
	delete(t, name)
	t.removeBelow(name)
}

func (t tree) removeBelow(dir string) {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for name := range t {
		if strings.HasPrefix(name, prefix) {
			delete(t, name)
		}
	}
}

// readFiles reads the entries of a layer.
func readFiles(r io.Reader, keep bool) (layerFiles, error) {
	layer := layerFiles{tree{}, map[string]string{}}
	archive := tar.NewReader(r)
	for {
		hdr, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return layer, nil
		}
		if err != nil {
			return layer, err
		}
		name := path.Clean("/" + hdr.Name)
		if name == "/" {
			continue
		}
		if hdr.Typeflag == tar.TypeLink {
			target := path.Clean("/" + hdr.Linkname)
			if e := layer.files[target]; e != nil {
				layer.files[name] = e
			} else {
				layer.links[name] = target
			}
			continue
		}
		e, err := newEntry(hdr, name, archive, keep)
		if err != nil {
			return layer, fmt.Errorf("%s: %w", hdr.Name, err)
		}
		layer.files[name] = e
	}
}

func newEntry(hdr *tar.Header, name string, content io.Reader, keep bool) (*entry, error) {
	e := &entry{mode: hdr.FileInfo().Mode(), uid: uint32(hdr.Uid), gid: uint32(hdr.Gid), link: hdr.Linkname}
	var err error
	if e.caps, err = capsOf(hdr.PAXRecords); err != nil {
		return nil, err
	}
	if hdr.Typeflag != tar.TypeReg {
		return e, nil
	}
	if keep && e.caps != nil {
		if e.content, err = spool(content); err != nil {
			return nil, err
		}
		content = io.NewSectionReader(e.content, 0, hdr.Size)
	}
	e.head, err = headOf(name, content)
	return e, err
}

// capsOf returns the attribute security.capability from the records that GNU
// tar and bsdtar write.
func capsOf(records map[string]string) ([]byte, error) {
	if v, ok := records["SCHILY.xattr.security.capability"]; ok {
		return []byte(v), nil
	}
	v, ok := records["LIBARCHIVE.xattr.security.capability"]
	if !ok {
		return nil, nil
	}
	caps, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return nil, fmt.Errorf("LIBARCHIVE.xattr.security.capability: %w", err)
	}
	return caps, nil
}

const (
	magicSize = 4
	// keptSize is how much is kept of files that are read: scripts, for what they
	// execute, and the lists of users and groups.
	keptSize = 64 << 10
)

func headOf(name string, content io.Reader) ([]byte, error) {
	head := make([]byte, magicSize)
	n, err := io.ReadFull(content, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return head[:n], nil
	}
	if err != nil {
		return nil, err
	}
	if string(head[:2]) != "#!" && name != "/etc/passwd" && name != "/etc/group" {
		return head, nil
	}
	rest, err := io.ReadAll(io.LimitReader(content, keptSize-magicSize))
	return append(head, rest...), err
}
