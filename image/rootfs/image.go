package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/capwise/capwise/image/catalog"
	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/layer"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
)

// Image is an image's configuration and files.
type Image struct {
	// Target is the reference that led to it.
	Target string
	// Image says which it is.
	*catalog.Image
	// Config is what the image says about its program.
	Config scenario.ImageConfig
	name   string
	files  facts.Stack
	source *Source // nil for an image that was open already
}

var _ scenario.Files = (*Image)(nil)

// New reads the layers of an image that is open already. The name is for messages.
// The caller closes it.
func New(img v1.Image, name string, o Options) (*Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	config, err := rawjson.Parse(raw)
	if err != nil {
		return nil, err
	}
	blobs, err := img.Layers()
	if err != nil {
		return nil, err
	}
	if err := limit.Layers.Check(int64(len(blobs))); err != nil {
		return nil, err
	}
	out := &Image{Target: name, Image: &catalog.Image{}, Config: programOf(config.Get("config")), name: name}
	reader := layer.NewReader(o.Cache, o.Progress, limit.Entries)
	for i, b := range blobs {
		l, err := reader.Facts(opened{b})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("layer %d of %d: %w", i+1, len(blobs), err), out.Close())
		}
		out.files = append(out.files, l)
	}
	if _, err := facts.NewStack(out.files...); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// opened is a layer of an image that is open already.
type opened struct{ v1.Layer }

// Open implements [layer.Source].
func (o opened) Open() (io.ReadCloser, int64, error) {
	size, err := o.Size()
	if err != nil {
		return nil, 0, err
	}
	blob, err := o.Compressed()
	return struct{ io.ReadCloser }{blob}, size, err
}

// Key implements [layer.Source].
func (o opened) Key() string {
	digest, err := o.Digest()
	if err != nil {
		return ""
	}
	return digest.String()
}

// Bytes implements [layer.Source].
func (o opened) Bytes() int64 {
	size, err := o.Size()
	if err != nil {
		return 0
	}
	return size
}

// stack puts the layers over each other, and reads the configuration.
func (i *Image) stack(loaded map[*catalog.Blob]*facts.Layer) (err error) {
	var layers []*facts.Layer
	for _, b := range i.Layers {
		layers = append(layers, loaded[b])
	}
	if i.Image.Config != nil {
		i.Config = programOf(i.Image.Config.Value.Get("config"))
	}
	i.files, err = facts.NewStack(layers...)
	return err
}

// programOf reads the member config of an image's configuration.
func programOf(c *rawjson.Value) scenario.ImageConfig {
	out := scenario.ImageConfig{
		User: c.Get("User").Text(), WorkDir: c.Get("WorkingDir").Text(),
		Entrypoint: texts(c.Get("Entrypoint")), Cmd: texts(c.Get("Cmd")),
	}
	for _, v := range c.Get("Env").List() {
		if p, ok := strings.CutPrefix(v.Text(), "PATH="); ok {
			out.Path = p
		}
	}
	if ports := c.Get("ExposedPorts"); ports != nil {
		for _, m := range ports.Members {
			out.Exposed = append(out.Exposed, m.Key)
		}
	}
	slices.Sort(out.Exposed)
	return out
}

// texts returns the texts in a list; nil where there is none.
func texts(v *rawjson.Value) []string {
	var out []string
	for _, e := range v.List() {
		out = append(out, e.Text())
	}
	return out
}

// Name is what the image was opened by; where that leads to several, with its own name
// and platform.
func (i *Image) Name() string { return i.name }

// String implements [scenario.Files].
func (i *Image) String() string { return "image " + i.name }

// Stat implements [scenario.Files].
func (i *Image) Stat(name string) (scenario.FileInfo, error) {
	info, err := i.files.Stat(name)
	if err != nil {
		return scenario.FileInfo{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return scenario.FileInfo{Path: info.Path, Mode: info.Mode, File: scenario.FileOf(info.Mode, info.UID, info.GID, info.Attribute)}, nil
}

// Head implements [scenario.Files]. It knows the beginning of scripts and of the
// files of users and groups; of others, the first bytes.
func (i *Image) Head(name string, n int) ([]byte, error) {
	info, err := i.files.Stat(name)
	if err == nil {
		var head []byte
		if head, err = info.Head(n); err == nil {
			return head, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: err}
}

// Capable returns the files that carry the attribute security.capability, by each name
// that a container sees them under, with the digest of the layer that has them.
func (i *Image) Capable() []Capable {
	var out []Capable
	for _, s := range i.files.Capable() {
		c := Capable{Seen: s}
		if s.Layer < len(i.Layers) {
			c.Digest = i.Layers[s.Layer].Known()
		}
		out = append(out, c)
	}
	return out
}

// Capable is a file with the attribute.
type Capable struct {
	facts.Seen
	// Digest is that of the layer's blob; where nobody says it, that of its archive.
	Digest string
}

// Close gives the layers back that no other image wants.
func (i *Image) Close() error {
	if i.source != nil {
		return i.source.release(i.Image)
	}
	var err error
	for _, l := range i.files {
		err = errors.Join(err, l.Close())
	}
	return err
}
