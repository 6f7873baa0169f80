package rootfs

import (
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
}

var _ scenario.Files = (*Image)(nil)

// New reads the layers of an image. The name is for messages.
func New(img v1.Image, name string) (*Image, error) { return read(img, name, false) }

// read is New; keep says that the contents of files with the attribute are kept.
func read(img v1.Image, name string, keep bool) (*Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	out := &Image{Config: programOf(config.Config), name: name, tree: tree{}}
	files, err := readLayers(layers, keep)
	for i := 0; err == nil && i < len(files); i++ {
		if err = out.tree.add(files[i]); err != nil {
			err = fmt.Errorf("layer %d of %d: %w", i+1, len(layers), err)
		}
	}
	if err != nil {
		for _, f := range files {
			err = errors.Join(err, (&Image{tree: f.files}).Close())
		}
		return nil, err
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

// Name is what the image was opened by, with its platform where there are several.
func (i *Image) Name() string { return i.name }

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

// Content returns the content of a file with the attribute, of an image that
// [OpenAll] has opened; nil otherwise.
func (i *Image) Content(name string) io.ReaderAt {
	if _, e, err := i.tree.resolve(name); err == nil && e.content != nil {
		return e.content
	}
	return nil
}

// Close gives the contents back.
func (i *Image) Close() error {
	var errs []error
	for _, e := range i.tree {
		if e.content != nil {
			errs = append(errs, e.content.Close())
			e.content = nil // a hard link has the same
		}
	}
	return errors.Join(errs...)
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
