package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/capwise/capwise/scenario"
)

// Image is an image's configuration and files.
type Image struct {
	// Config is what the image says about its program.
	Config scenario.ImageConfig
	name   string
	tree   tree
	layers []v1.Layer
}

var _ scenario.Files = (*Image)(nil)

// New reads the layers of an image. The name is for messages.
func New(img v1.Image, name string) (*Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	out := &Image{Config: programOf(config.Config), name: name, tree: tree{}, layers: layers}
	for i, l := range layers {
		if err := out.tree.add(l, i); err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(layers), err)
		}
	}
	return out, nil
}

func programOf(c v1.Config) scenario.ImageConfig {
	out := scenario.ImageConfig{User: c.User, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkDir: c.WorkingDir}
	for _, v := range c.Env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			out.Path = p
		}
	}
	for port := range c.ExposedPorts {
		out.Exposed = append(out.Exposed, port)
	}
	slices.Sort(out.Exposed)
	return out
}

// String implements [scenario.Files].
func (i *Image) String() string { return "image " + i.name }

// Stat implements [scenario.Files].
func (i *Image) Stat(name string) (scenario.FileInfo, error) {
	at, e, err := i.tree.resolve(name)
	if err != nil {
		return scenario.FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return scenario.FileInfo{Path: at, Mode: e.mode, File: scenario.FileOf(e.mode, e.uid, e.gid, e.caps)}, nil
}

// Head implements [scenario.Files]. It knows the beginning of scripts and of the
// files of users and groups; of others, the first bytes.
func (i *Image) Head(name string, n int) ([]byte, error) {
	_, e, err := i.tree.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return e.head[:min(n, len(e.head))], nil
}

// Capable returns the files that carry the attribute security.capability, by
// path, with its raw bytes.
func (i *Image) Capable() map[string][]byte {
	out := map[string][]byte{}
	for name, e := range i.tree {
		if e.caps != nil {
			out[name] = e.caps
		}
	}
	return out
}

// Open copies the content of a regular file out of its layer into a temporary
// file, which is gone as soon as it is closed.
func (i *Image) Open(name string) (_ *os.File, err error) {
	_, e, err := i.tree.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	r, err := i.layers[e.layer].Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // opened for reading
	archive := tar.NewReader(r)
	for {
		hdr, err := archive.Next()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		if hdr.Name == e.stored && hdr.Typeflag == tar.TypeReg {
			return spool(archive)
		}
	}
}

// spool copies to a file that has no name any more.
func spool(r io.Reader) (_ *os.File, err error) {
	f, err := os.CreateTemp("", "capwise-file-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, r)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// resolve follows symbolic links to a file.
func (t tree) resolve(name string) (string, *entry, error) {
	at, err := scenario.FollowLinks(name, func(name string) (string, error) {
		switch e := t[name]; {
		case e == nil:
			return "", fs.ErrNotExist
		case e.mode&fs.ModeSymlink != 0:
			return e.link, nil
		default:
			return "", nil
		}
	})
	if err != nil {
		return "", nil, err
	}
	if at == "/" {
		return at, &entry{mode: fs.ModeDir | 0o755}, nil
	}
	return at, t[at], nil
}
