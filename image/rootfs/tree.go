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
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
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

// add puts a layer over what is there. Whiteouts concern the layers below
// alone, wherever in the layer they stand.
func (t tree) add(layer v1.Layer, keep bool) error {
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // opened for reading
	above, err := readLayer(r, t, keep)
	if err != nil {
		return err
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

// readLayer reads the entries of a layer. A hard link may lead to a file of a
// layer below.
func readLayer(r io.Reader, below tree, keep bool) (tree, error) {
	layer := tree{}
	archive := tar.NewReader(r)
	for {
		hdr, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return layer, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean("/" + hdr.Name)
		if name == "/" {
			continue
		}
		if hdr.Typeflag == tar.TypeLink {
			target := path.Clean("/" + hdr.Linkname)
			if layer[name] = layer[target]; layer[name] == nil {
				layer[name] = below[target]
			}
			if layer[name] == nil {
				return nil, fmt.Errorf("%s: hard link to %s, which is not there", hdr.Name, hdr.Linkname)
			}
			continue
		}
		e, err := newEntry(hdr, name, archive, keep)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", hdr.Name, err)
		}
		layer[name] = e
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
